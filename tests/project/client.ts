// Compiled by `make clients` against the types of the OpenAPI document.
import createClient from "openapi-fetch";
import type { components, paths } from "./orgdesk.js";

type Event = components["schemas"]["UsageEventIn"];

const client = createClient<paths>({
  baseUrl: "http://127.0.0.1:8000",
  headers: { Authorization: "Bearer KEY" },
});
const event: Event = {
  id: "e-1",
  organization: "o-1",
  timestamp: "2026-11-05T09:30:00Z",
  product: "gpt-4o",
  quantities: { prompt_tokens: 800 },
};
const recorded = await client.POST("/api/v1/usage/events", { body: [event] });
const accepted: number = recorded.data?.accepted ?? 0;
const code: string | undefined = recorded.error?.errors[0]?.code;
const page = await client.GET("/api/v1/organizations", {
  params: { query: { external_id: "o-1" } },
});
const names: string[] = page.data?.organizations.map((row) => row.name) ?? [];
console.log(accepted, code, names);
