// One request for each model, by one of the ways in which people use the SDKs
// on Node. Reads {how, url, models} from standard input; prints one line of JSON
// for each model, in order: what an application would have got.

import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import path from "node:path";

// The packages are installed elsewhere: where this process was started.
const require = createRequire(path.join(process.cwd(), "package.json"));
const load = (name) => import(pathToFileURL(require.resolve(name)).href);

// It would print about models that it does not know.
globalThis.AI_SDK_LOG_WARNINGS = false;

const AT_ONCE = 8;
const QUESTION = "Tell me about lighthouses.";
const MESSAGES = [{ role: "user", content: QUESTION }];
const OPTIONS = { apiKey: "sk-of-the-client", maxRetries: 0, timeout: 60_000 };

const openai = async (url, more = {}) =>
  new (await load("openai")).OpenAI({ baseURL: `${url}/v1`, ...OPTIONS, ...more });
const anthropic = async (url, more = {}) =>
  new (await load("@anthropic-ai/sdk")).Anthropic({ baseURL: url, ...OPTIONS, ...more });
const OF_A_PAGE = { maxRetries: 2, defaultHeaders: { origin: "https://a.example" } };

async function aiText(model, seen) {
  const { streamText } = await load("ai");
  const result = streamText({ model, messages: MESSAGES, maxRetries: 0, onError: () => {} });
  for await (const part of result.fullStream) {
    if (part.type === "text-delta") seen.text += part.text;
    if (part.type === "error") throw part.error;
    if (part.type === "finish") seen.finishes.push(part.finishReason);
  }
}

const WAYS = {
  "openai chat raw": async (url, model, seen) => {
    const client = await openai(url);
    const asked = { model, messages: MESSAGES, stream: true };
    for await (const chunk of await client.chat.completions.create(asked)) {
      seen.ids.add(chunk.id);
      for (const choice of chunk.choices) {
        seen.text += choice.delta.content ?? "";
        if (choice.finish_reason) seen.finishes.push(choice.finish_reason);
      }
    }
  },
  "openai chat helper": async (url, model, seen) => {
    const client = await openai(url);
    const stream = client.chat.completions.stream({ model, messages: MESSAGES });
    stream.on("content", (delta) => (seen.text += delta));
    const whole = await stream.finalChatCompletion();
    seen.ids.add(whole.id);
    seen.finishes.push(whole.choices[0].finish_reason);
    if (whole.choices[0].message.content !== seen.text) throw new Error("the helper lost or repeated text");
  },
  "openai responses raw": async (url, model, seen) => {
    const client = await openai(url);
    for await (const event of await client.responses.create({ model, input: QUESTION, stream: true })) {
      if (event.type === "response.created") seen.ids.add(event.response.id);
      if (event.type === "response.output_text.delta") seen.text += event.delta;
      if (event.type === "response.completed") seen.finishes.push(event.response.status);
    }
  },
  "openai responses helper": async (url, model, seen) => {
    const client = await openai(url);
    const stream = client.responses.stream({ model, input: QUESTION });
    stream.on("response.output_text.delta", (event) => (seen.text += event.delta));
    const whole = await stream.finalResponse();
    seen.ids.add(whole.id);
    seen.finishes.push(whole.status);
    if (whole.output_text !== seen.text) throw new Error("the helper lost or repeated text");
  },
  "anthropic raw": async (url, model, seen) => {
    const client = await anthropic(url);
    const asked = { model, max_tokens: 4096, messages: MESSAGES, stream: true };
    for await (const event of await client.messages.create(asked)) {
      if (event.type === "message_start") seen.ids.add(event.message.id);
      if (event.type === "content_block_delta") seen.text += event.delta.text ?? "";
      if (event.type === "message_delta") seen.finishes.push(event.delta.stop_reason);
    }
  },
  "anthropic helper": async (url, model, seen) => {
    const client = await anthropic(url);
    const stream = client.messages.stream({ model, max_tokens: 4096, messages: MESSAGES });
    stream.on("text", (delta) => (seen.text += delta));
    const whole = await stream.finalMessage();
    seen.ids.add(whole.id);
    seen.finishes.push(whole.stop_reason);
    const text = whole.content.map((block) => block.text ?? "").join("");
    if (text !== seen.text) throw new Error("the helper lost or repeated text");
  },
  "ai openai chat": async (url, model, seen) => {
    const { createOpenAI } = await load("@ai-sdk/openai");
    await aiText(createOpenAI({ baseURL: `${url}/v1`, apiKey: OPTIONS.apiKey }).chat(model), seen);
  },
  "ai openai responses": async (url, model, seen) => {
    const { createOpenAI } = await load("@ai-sdk/openai");
    await aiText(createOpenAI({ baseURL: `${url}/v1`, apiKey: OPTIONS.apiKey }).responses(model), seen);
  },
  "ai anthropic": async (url, model, seen) => {
    const { createAnthropic } = await load("@ai-sdk/anthropic");
    await aiText(createAnthropic({ baseURL: `${url}/v1`, apiKey: OPTIONS.apiKey })(model), seen);
  },
};

// What is no answer: a POST without a body, and what the front door refuses.
const OTHERS = {
  "openai cancel": async (url) => (await openai(url)).responses.cancel("resp_1"),
  "openai refused": async (url) => (await openai(url, OF_A_PAGE)).models.list(),
  "anthropic refused": async (url) => (await anthropic(url, OF_A_PAGE)).models.list(),
};

async function one(how, url, model) {
  const seen = { text: "", finishes: [], ids: new Set(), raised: null };
  try {
    await (WAYS[how] ?? OTHERS[how])(url, model, seen);
  } catch (error) {
    // Whatever the SDK makes of it is the result.
    seen.raised = { name: error?.constructor?.name ?? typeof error, message: String(error?.message ?? error) };
    if (how in OTHERS) Object.assign(seen.raised, { status: error?.status, id: error?.requestID });
  }
  return { ...seen, ids: [...seen.ids] };
}

const chunks = [];
for await (const chunk of process.stdin) chunks.push(chunk);
const { how, url, models } = JSON.parse(Buffer.concat(chunks).toString());
const results = new Array(models.length);
let next = 0;
await Promise.all(
  Array.from({ length: AT_ONCE }, async () => {
    while (next < models.length) {
      const at = next++;
      results[at] = await one(how, url, models[at]);
    }
  }),
);
for (const result of results) console.log(JSON.stringify(result));
