// One question for each case, by a provider of the AI SDK. Reads {how, url, asked}
// from standard input, where `asked` has questions and the names of tools; prints one
// line of JSON for each, in order: what an application would have got.

import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import path from "node:path";

// The packages are installed elsewhere: where this process was started.
const require = createRequire(path.join(process.cwd(), "package.json"));
const load = (name) => import(pathToFileURL(require.resolve(name)).href);

// It would print about models that it does not know.
globalThis.AI_SDK_LOG_WARNINGS = false;

const AT_ONCE = 8;
const { streamText, tool, jsonSchema } = await load("ai");

const made = async (name, maker, options, model) => (await load(name))[maker](options)(model);

const MODELS = {
  "@ai-sdk/openai": async (o) => (await load("@ai-sdk/openai")).createOpenAI(o).chat("gpt-4o"),
  "@ai-sdk/openai responses": async (o) => (await load("@ai-sdk/openai")).createOpenAI(o).responses("gpt-4o"),
  "@ai-sdk/openai-compatible": (o) =>
    made("@ai-sdk/openai-compatible", "createOpenAICompatible", { name: "other", ...o }, "some-model"),
  "@ai-sdk/anthropic": (o) => made("@ai-sdk/anthropic", "createAnthropic", o, "claude-sonnet-4-5"),
  "@ai-sdk/cerebras": (o) => made("@ai-sdk/cerebras", "createCerebras", o, "gpt-oss-120b"),
  "@ai-sdk/deepseek": (o) => made("@ai-sdk/deepseek", "createDeepSeek", o, "deepseek-reasoner"),
  "@ai-sdk/groq": (o) => made("@ai-sdk/groq", "createGroq", o, "llama-3.3-70b-versatile"),
  "@ai-sdk/mistral": (o) => made("@ai-sdk/mistral", "createMistral", o, "mistral-small-latest"),
  "@ai-sdk/perplexity": (o) => made("@ai-sdk/perplexity", "createPerplexity", o, "sonar"),
  "@ai-sdk/togetherai": (o) => made("@ai-sdk/togetherai", "createTogetherAI", o, "deepseek-ai/DeepSeek-R1"),
  "@ai-sdk/xai": (o) => made("@ai-sdk/xai", "createXai", o, "grok-4"),
  "@openrouter/ai-sdk-provider": (o) =>
    made("@openrouter/ai-sdk-provider", "createOpenRouter", { ...o, compatibility: "strict" }, "openai/gpt-4o"),
};

async function one(model, { question, tools }) {
  const seen = { text: "", reasoning: "", calls: [], finish: null, raised: null };
  const inputSchema = jsonSchema({ type: "object", properties: {}, additionalProperties: true });
  const offered = Object.fromEntries(tools.map((name) => [name, tool({ description: name, inputSchema })]));
  try {
    const messages = [{ role: "user", content: question }];
    const asked = { model, messages, maxRetries: 0, onError: () => {} };
    const result = streamText(tools.length ? { ...asked, tools: offered } : asked);
    for await (const part of result.fullStream) {
      if (part.type === "text-delta") seen.text += part.text;
      if (part.type === "reasoning-delta") seen.reasoning += part.text;
      if (part.type === "tool-call" && !part.providerExecuted) seen.calls.push([part.toolName, part.input]);
      if (part.type === "error") throw part.error;
      if (part.type === "finish") seen.finish = part.finishReason;
    }
  } catch (error) {
    // Whatever the SDK makes of it is the result.
    const words = String(error?.message ?? error?.error?.message ?? JSON.stringify(error));
    seen.raised = [error?.name ?? error?.constructor?.name ?? typeof error, words];
  }
  return seen;
}

const chunks = [];
for await (const chunk of process.stdin) chunks.push(chunk);
const { how, url, asked } = JSON.parse(Buffer.concat(chunks).toString());
const model = await MODELS[how]({ baseURL: `${url}/v1`, apiKey: "sk-of-the-client" });
const results = new Array(asked.length);
let next = 0;
await Promise.all(
  Array.from({ length: AT_ONCE }, async () => {
    while (next < asked.length) {
      const at = next++;
      results[at] = await one(model, asked[at]);
    }
  }),
);
for (const result of results) console.log(JSON.stringify(result));
