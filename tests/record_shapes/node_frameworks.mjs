// What Vercel's AI SDK sends, for `tests/shapes`: run by hand, where `ai`,
// `@ai-sdk/openai`, `@ai-sdk/anthropic`, `@ai-sdk/openai-compatible` and `zod` are installed.
//
//     RECORDER=http://127.0.0.1:PORT node node_frameworks.mjs

import { createAnthropic } from "@ai-sdk/anthropic";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateObject, generateText, stepCountIs, streamText, tool } from "ai";
import { z } from "zod";

const base = process.env.RECORDER;
const apiKey = "sk-of-nobody";
const models = {
  "ai-chat": () => createOpenAI({ baseURL: `${base}/ai-chat/v1`, apiKey }).chat("gpt-4o"),
  "ai-responses": () => createOpenAI({ baseURL: `${base}/ai-responses/v1`, apiKey }).responses("gpt-4o"),
  "ai-messages": () => createAnthropic({ baseURL: `${base}/ai-messages/v1`, apiKey })("claude-sonnet-4-5"),
  "ai-compatible-chat": () =>
    createOpenAICompatible({ name: "x", baseURL: `${base}/ai-compatible-chat/v1`, apiKey })("some-model"),
};
const tools = {
  get_weather: tool({
    description: "How warm it is.",
    inputSchema: z.object({ city: z.string() }),
    execute: async ({ city }) => `${city}: 7 °C`,
  }),
};
const system = "You are terse.";
const prompt = "How warm is it in Zürich and Genève?";
for (const [name, build] of Object.entries(models)) {
  try {
    const first = await generateText({ model: build(), system, prompt, tools, stopWhen: stepCountIs(3) });
    const messages = [
      { role: "user", content: prompt },
      ...first.response.messages,
      { role: "user", content: "And now?" },
    ];
    const second = streamText({ model: build(), system, messages, tools });
    for await (const _ of second.textStream);
    const schema = z.object({ city: z.string(), celsius: z.number() });
    await generateObject({ model: build(), prompt, schema });
  } catch (error) {
    console.log(name, String(error?.message ?? error).slice(0, 300));
  }
}
