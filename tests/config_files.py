"""
Configurations for tests, and one file for each mistake that can be made in one.
"""

from __future__ import annotations

from pathlib import Path

from trooper.config import Config, load
from trooper.wires import WIRES

SECRET = "sk-do-not-print-me"

OPENAI = '[[targets]]\nname = "openai"\nwire = "openai-chat"\nkey = "client"\n'
OLLAMA = '[[targets]]\nname = "ollama"\nwire = "ollama-chat"\n'
BOTH = OPENAI + OLLAMA


def from_toml(folder: Path, text: str, **environ: str) -> Config:
    (folder / "trooper.toml").write_text(text, encoding="utf-8")
    return load(environ, folder, WIRES.known)


def from_environment(**environ: str) -> Config:
    return load(environ, Path("/nowhere"), WIRES.known)


#: What is wrong → the file, the key that is blamed, words of the message.
MISTAKES: dict[str, tuple[str, str, str]] = {
    "unknown table": ("[sever]\n", "sever", "`server`"),
    "unknown server key": ("[server]\nports = 1", "server.ports", "`port`"),
    "unknown target key": (BOTH + "stall_timeout = 1", "targets.ollama.stall_timeout", "`stall_timeout_s`"),
    "key as others call it": (OPENAI + f'api_key = "{SECRET}"', "targets.openai.api_key", "`key`"),
    "key like nothing known": ("[server]\nzzzz = 1", "server.zzzz", "Known keys: "),
    "report by nobody": (
        '[server]\nreport = "me"',
        "server.report",
        '"rules", "model", "none", or a function',
    ),
    "report by half a name": ('[server]\nreport = "mine:"', "server.report", '"package.module:function"'),
    "server is no table": ("server = 1", "server", "Write [server]"),
    "targets is a table": ("[targets]\nname = 'x'", "targets", "[[targets]]"),
    "target is no table": ("targets = [1]", "targets[1]", "[[targets]]"),
    "no targets": ("targets = []", "targets", "leave `targets` out"),
    "chains is no table": ("chains = 1", "chains", "Write [chains]"),
    "text for a number": ('[server]\nport = "8642"', "server.port", "'8642' is not a whole number"),
    "true for a number": ("[server]\nport = true", "server.port", "True is not a whole number"),
    "false for a float": ("[server]\ngrace_s = false", "server.grace_s", "False is not a number"),
    "float for a whole number": ("[server]\nport = 1.5", "server.port", "whole number"),
    "text for seconds": (
        OPENAI + 'stall_timeout_s = "20s"',
        "targets.openai.stall_timeout_s",
        "stall_timeout_s = 10.0",
    ),
    "number for text": (OPENAI + "model = 4", "targets.openai.model", "4 is not text"),
    "number for a switch": ("[server]\ngate = 0", "server.gate", "true or false"),
    "text for a list": (
        '[server]\nallowed_hosts = "a"',
        "server.allowed_hosts",
        "'a' is not a list of texts",
    ),
    "number in a list": ("[server]\nallowed_hosts = [1]", "server.allowed_hosts", "list of texts"),
    "list for a table": (OPENAI + "models = []", "targets.openai.models", "table of texts"),
    "number in a table": (OPENAI + "models.a = 1", "targets.openai.models", "table of texts"),
    "number for a URL": (OPENAI + "base_url = 1", "targets.openai.base_url", "it is not text"),
    "huge number": (f"[server]\ngrace_s = 1{'0' * 400}", "server.grace_s", "a number"),
    "number too long to write": (f"[server]\nport = 0x{'f' * 5000}", "server.port", "a huge number"),
    "no name": ('[[targets]]\nwire = "openai-chat"', "targets[1].name", "needs a name"),
    "no wire": ('[[targets]]\nname = "a"', "targets.a.wire", "needs a name and a wire"),
    "bad name": (BOTH + OLLAMA.replace('"ollama"', '"a b"'), "targets[3].name", "letters, digits"),
    "name with a newline": (OLLAMA.replace('"ollama"', '"a\\n"'), "targets[1].name", "letters, digits"),
    "duplicate name": (OLLAMA + OLLAMA, "targets.ollama.name", "Rename one"),
    "unknown wire": (
        '[[targets]]\nname = "a"\nwire = "openai"',
        "targets.a.wire",
        '"openai-chat" or "openai-responses" or',
    ),
    "wire is no text": (
        '[[targets]]\nname = "a"\nwire = 1',
        "targets.a.wire",
        '"openai-chat" or "openai-responses" or',
    ),
    "empty model": (OPENAI + 'model = ""', "targets.openai.model", "leave the key out"),
    "empty mapped model": (OPENAI + 'models = { a = "" }', "targets.openai.models", "both sides"),
    "URL without scheme": (OPENAI + 'base_url = "api.openai.com"', "targets.openai.base_url", "no scheme"),
    "URL of another scheme": (OPENAI + 'base_url = "ws://a.example"', "targets.openai.base_url", "'ws'"),
    "URL without host": (OPENAI + 'base_url = "https:///v1"', "targets.openai.base_url", "no host"),
    "URL with port 0": (OPENAI + 'base_url = "https://a.example:0"', "targets.openai.base_url", "port 0"),
    "URL with a bad port": (OPENAI + 'base_url = "https://a.example:x"', "targets.openai.base_url", "port"),
    "URL with a blank": (OPENAI + 'base_url = "https://a .example"', "targets.openai.base_url", "blanks"),
    "empty URL": (OPENAI + 'base_url = ""', "targets.openai.base_url", "empty"),
    "URL with a password": (
        OPENAI + f'base_url = "https://me:{SECRET}@a.example"',
        "targets.openai.base_url",
        "put the key into the environment",
    ),
    "URL with a query": (
        OPENAI + f'base_url = "https://a.example/v1?key={SECRET}"',
        "targets.openai.base_url",
        "query of each request is passed on",
    ),
    "URL with a fragment": (
        OPENAI + 'base_url = "https://a.example#x"',
        "targets.openai.base_url",
        "fragment",
    ),
    "URL of an endpoint": (
        OPENAI + 'base_url = "https://a.example/v1/chat/completions"',
        "targets.openai.base_url",
        "endpoint",
    ),
    "URL of Ollama's endpoint": (
        OLLAMA + 'base_url = "http://box:1/api/chat"',
        "targets.ollama.base_url",
        "endpoint",
    ),
    "no URL for another cloud": (
        OPENAI.replace('"openai"', '"groq"'),
        "targets.groq.base_url",
        "it is missing",
    ),
    "no key for a cloud": (
        '[[targets]]\nname = "openai"\nwire = "openai-chat"',
        "targets.openai.key",
        "whose key it gets",
    ),
    "a key in the file": (
        OPENAI.replace('"client"', f'"{SECRET}"'),
        "targets.openai.key",
        "key in the environment",
    ),
    "a key instead of a name": (
        OPENAI.replace('"client"', f'{{ env = "{SECRET}" }}'),
        "targets.openai.key",
        "not the name of an environment variable",
    ),
    "a key of another form": (
        OPENAI.replace('"client"', '{ file = "x" }'),
        "targets.openai.key",
        "possible forms",
    ),
    "a key that is a number": (OPENAI.replace('"client"', "5"), "targets.openai.key", "possible forms"),
    "env name that is a number": (
        OPENAI.replace('"client"', "{ env = 5 }"),
        "targets.openai.key",
        "not the name",
    ),
    "unset variable": (OPENAI.replace('"client"', '{ env = "UNSET" }'), "targets.openai.key", "Set UNSET"),
    "unset key_env": (
        OPENAI.replace("key = ", "key_env = ").replace("client", "UNSET"),
        "targets.openai.key_env",
        "UNSET",
    ),
    "key and key_env": (OPENAI + 'key_env = "A"', "targets.openai.key_env", "Keep one"),
    "broken key": (OPENAI.replace('"client"', '{ env = "BROKEN" }'), "targets.openai.key", "(not shown)"),
    "key for a local target": (OLLAMA + 'key = "client"', "targets.ollama.key", "takes no key"),
    "key_env for a local target": (OLLAMA + 'key_env = "A"', "targets.ollama.key_env", "takes no key"),
    "the client's key for two": (
        OPENAI + OPENAI.replace('"openai"', '"groq"') + 'base_url = "https://g.example"',
        "targets.groq.key",
        "goes to one provider only",
    ),
    "proxy for a local target": (OLLAMA + 'proxy = "http://p:1"', "targets.ollama.proxy", "openai-chat"),
    "proxy without scheme": (OPENAI + f'proxy = "me:{SECRET}@p:1"', "targets.openai.proxy", "http://proxy"),
    "proxy of another scheme": (
        OPENAI + f'proxy = "socks5://me:{SECRET}@p:1"',
        "targets.openai.proxy",
        "'socks5'",
    ),
    "proxy with a path": (
        OPENAI + f'proxy = "http://me:{SECRET}@p:1/x"',
        "targets.openai.proxy",
        "host and a port",
    ),
    "slots of a cloud": (OPENAI + "slots = 2", "targets.openai.slots", "ollama-chat"),
    "keep_alive of a cloud": (OPENAI + 'keep_alive = "1m"', "targets.openai.keep_alive", "ollama-chat"),
    "keep_alive without unit": (OLLAMA + 'keep_alive = "300"', "targets.ollama.keep_alive", '"30m"'),
    "keep_alive with a day": (OLLAMA + 'keep_alive = "1d"', "targets.ollama.keep_alive", '"30m"'),
    "empty keep_alive": (OLLAMA + 'keep_alive = ""', "targets.ollama.keep_alive", '"30m"'),
    "infinite keep_alive": (OLLAMA + "keep_alive = inf", "targets.ollama.keep_alive", '"30m"'),
    "keep_alive is a switch": (OLLAMA + "keep_alive = true", "targets.ollama.keep_alive", "text"),
    "no slots": (OLLAMA + "slots = 0", "targets.ollama.slots", "from 1 to"),
    "negative window": (OLLAMA + "num_ctx = -1", "targets.ollama.num_ctx", "from 1 to"),
    "missing CA file": (OPENAI + 'ca_file = "no.pem"', "targets.openai.ca_file", "No such file"),
    "CA file without certificates": (
        OPENAI + 'ca_file = "trooper.toml"',
        "targets.openai.ca_file",
        "no certificates",
    ),
    "local target in the cloud": (
        OLLAMA + 'base_url = "https://ollama.com"',
        "targets.ollama.base_url",
        "allow_remote = true",
    ),
    "local model in the cloud": (
        OLLAMA + 'model = "gpt-oss:120b-cloud"',
        "targets.ollama.model",
        "allow_remote = true",
    ),
    "mapped model in the cloud": (
        OLLAMA + 'models.a = "glm:cloud"',
        "targets.ollama.model",
        "allow_remote = true",
    ),
    "trooper itself": (
        OPENAI + 'base_url = "http://127.0.0.1:8642/v1"',
        "targets.openai.base_url",
        "this Trooper itself",
    ),
    "port beyond the range": ("[server]\nport = 65536", "server.port", "from 0 to 65535"),
    "negative port": ("[server]\nport = -1", "server.port", "from 0 to 65535"),
    "host with a port": ("[server]\nhost = '0.0.0.0:80'", "server.host", "the port has its own key"),
    "host with brackets": ("[server]\nhost = '[::1]'", "server.host", "for example 127.0.0.1 or ::1"),
    "empty host": ("[server]\nhost = ''", "server.host", "host"),
    "host with a scheme in the list": (
        "[server]\nallowed_hosts = ['http://a']",
        "server.allowed_hosts",
        "without a scheme",
    ),
    "every host": ("[server]\nallowed_hosts = ['*']", "server.allowed_hosts", "'*' is not a host"),
    "every origin": ("[server]\nallowed_origins = ['*']", "server.allowed_origins", "'*' is not an origin"),
    "origin with a path": (
        "[server]\nallowed_origins = ['http://a/']",
        "server.allowed_origins",
        "without a path",
    ),
    "client keys in the file": (
        f"[server]\nclient_keys = ['{SECRET}']",
        "server.client_keys",
        "`client_keys_env`",
    ),
    "client keys' variable is a key": (
        f"[server]\nclient_keys_env = '{SECRET}'",
        "server.client_keys_env",
        "not the name",
    ),
    "client keys unset": ("[server]\nclient_keys_env = 'UNSET'", "server.client_keys_env", "Set UNSET"),
    "client keys empty": ("[server]\nclient_keys_env = 'COMMAS'", "server.client_keys_env", "no key"),
    "client keys broken": ("[server]\nclient_keys_env = 'BROKEN'", "server.client_keys", "visible ASCII"),
    "open door with a configured key": (
        "[server]\nhost = '0.0.0.0'\n" + OPENAI.replace('"client"', '{ env = "GOOD" }'),
        "server.host",
        "client_keys_env",
    ),
    "no bytes": ("[server]\nmax_event_bytes = 0", "server.max_event_bytes", "from 1 to"),
    "hold without bound": ("[server]\nhold_chars = 100000", "server.hold_chars", "from 1 to 4096"),
    "chain is no list": (BOTH + '[chains]\n"*" = "openai"', 'chains."*"', "in order"),
    "chain of numbers": (BOTH + '[chains]\n"*" = [1]', 'chains."*"', "in order"),
    "empty chain": (BOTH + '[chains]\n"gpt-*" = []', 'chains."gpt-*"', "openai, ollama"),
    "chain with an unknown target": (
        BOTH + '[chains]\n"*" = ["claude"]',
        'chains."*"',
        "Targets are: openai, ollama",
    ),
    "chain with one target twice": (BOTH + '[chains]\n"*" = ["openai", "openai"]', 'chains."*"', "once"),
    "chain behind the last": (
        BOTH + '[chains]\n"*" = ["openai"]\n"gpt-*" = ["ollama"]',
        'chains."gpt-*"',
        'Move "*" to the end',
    ),
}
