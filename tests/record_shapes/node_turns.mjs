// What Vercel's AI SDK sends beyond plain turns, for `tests/shapes`: pictures from the
// user and from tools, forced calls, limits, failed tools. Run by hand, with the
// packages of `node_frameworks.mjs`.
//
//     python recorder.py last
//     RECORDER=http://127.0.0.1:PORT node node_turns.mjs

import { createAnthropic } from "@ai-sdk/anthropic";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateText, Output, stepCountIs, tool } from "ai";
import { z } from "zod";

const base = process.env.RECORDER;
const apiKey = "sk-of-nobody";
const png =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
const models = {
  "ai-chat": (url) => createOpenAI({ baseURL: url, apiKey }).chat("gpt-4o"),
  "ai-responses": (url) => createOpenAI({ baseURL: url, apiKey }).responses("gpt-4o"),
  "ai-messages": (url) => createAnthropic({ baseURL: url, apiKey })("claude-sonnet-4-5"),
  "ai-compatible-chat": (url) =>
    createOpenAICompatible({ name: "x", baseURL: url, apiKey, supportsStructuredOutputs: true })("some-model"),
};
const inputSchema = z.object({ city: z.string() });
const description = "How warm it is.";
const looks = tool({
  description,
  inputSchema,
  execute: async ({ city }) => city,
  toModelOutput: ({ output }) => ({
    type: "content",
    value: [
      { type: "text", text: `${output}:` },
      { type: "image-data", data: png, mediaType: "image/png" },
    ],
  }),
});
const fails = tool({
  description,
  inputSchema,
  execute: async ({ city }) => {
    if (city === "Genève") throw new Error("no such city");
    return { celsius: 7 };
  },
});
const system = "You are terse.";
const prompt = "How warm is it in Zürich and Genève?";
const shown = [
  { role: "user", content: [{ type: "text", text: prompt }, { type: "image", image: png, mediaType: "image/png" }] },
];
const thought = {
  type: "reasoning",
  text: "Two cities.",
  providerOptions: {
    openai: { itemId: "rs_1", reasoningEncryptedContent: "gAAAA" },
    anthropic: { signature: "c2ln" },
  },
};
const thoughtful = [
  { role: "user", content: prompt },
  { role: "assistant", content: [thought, { type: "text", text: "7 °C." }] },
  { role: "user", content: "And now?" },
];
for (const [name, build] of Object.entries(models)) {
  const model = (what) => build(`${base}/${name}-${what}/v1`);
  const asks = [
    { model: model("picture"), system, messages: shown },
    // What is stored is only named otherwise.
    {
      model: model("picture-result"),
      prompt,
      tools: { get_weather: looks },
      stopWhen: stepCountIs(2),
      providerOptions: { openai: { store: false } },
    },
    {
      model: model("thought"),
      messages: thoughtful,
      providerOptions: { openai: { store: false } },
    },
    { model: model("failed"), prompt, tools: { get_weather: fails }, stopWhen: stepCountIs(2) },
    {
      model: model("settings"),
      system,
      prompt,
      tools: { get_weather: fails },
      toolChoice: { type: "tool", toolName: "get_weather" },
      maxOutputTokens: 300,
      temperature: 0.5,
      providerOptions: { openai: { parallelToolCalls: false }, anthropic: { disableParallelToolUse: true } },
    },
    {
      model: model("output"),
      prompt,
      tools: { get_weather: fails },
      output: Output.object({ schema: z.object({ city: z.string(), celsius: z.number() }) }),
      stopWhen: stepCountIs(2),
    },
  ];
  if (name === "ai-responses") {
    const openai = { allowedTools: { toolNames: ["get_weather"] } };
    asks.push({ model: model("allowed"), prompt, tools: { get_weather: fails }, providerOptions: { openai } });
  }
  for (const asked of asks) {
    try {
      await generateText(asked);
    } catch (error) {
      console.log(name, asks.indexOf(asked), String(error?.message ?? error).slice(0, 300));
    }
  }
}
