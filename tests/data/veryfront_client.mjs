// The unmodified npm package `veryfront` against a praisonrun server. Run beside its node_modules:
//   node veryfront_client.mjs describe            prints what its schemas demand, in the form of our fixture
//   node veryfront_client.mjs BASE_URL IDS        drives the server; IDS is a JSON list of runs to look at
// Prints one JSON object. Nothing here sleeps: the end of a run is the end of its stream.
import { createDurableRunCanaryApiClient } from "veryfront/eval/agent-service"; // registers the validator
import { createAgUiChatEventDecoderState, decodeAgUiSseChunk, flushAgUiSseChunk } from "veryfront/chat/ag-ui";
import * as runs from "veryfront/runs";

const SCHEMAS = {
  run: runs.RunSchema,
  created: runs.CreateRunResponseSchema,
  cancelled: runs.CancelRunResponseSchema,
  event: runs.RunEventSchema,
  events: runs.RunEventListSchema,
  list: runs.RunListSchema,
};

/** Say what a schema demands: {type, nullable?, optional?, values?, fields?, items?}; a run in it is type run. */
function describe(schema, top = false) {
  const { def } = schema._zod ?? schema.__zod._zod;
  switch (def.type) {
    case "nullable":
      return { ...describe(def.innerType), nullable: true };
    case "optional":
      return { ...describe(def.innerType), optional: true };
    case "object":
      if (!top && "root_run_id" in def.shape) return { type: "run" };
      return {
        type: "object",
        fields: Object.fromEntries(Object.entries(def.shape).map(([name, field]) => [name, describe(field)])),
      };
    case "array":
      return { type: "array", items: describe(def.element) };
    case "enum":
      return { type: "string", values: Object.values(def.entries) };
    case "literal":
      return { type: "any", values: def.values };
    case "number":
      return { type: def.checks?.length ? "integer" : "number" };
    case "unknown":
      return { type: "any", optional: true };
    default:
      return { type: def.type };
  }
}

/** Read a stream to its end with the package's own decoder. */
async function follow(url, lastEventId) {
  const headers = { Accept: "text/event-stream", ...(lastEventId ? { "Last-Event-ID": `${lastEventId}` } : {}) };
  const answer = await fetch(url, { headers });
  const state = createAgUiChatEventDecoderState({ lastEventId: lastEventId ?? -1, validationMode: "strict" });
  const events = [];
  const take = ({ events: more }) =>
    events.push(...more.map(({ eventId, wireEvent, chatEvents }) => ({ eventId, ...wireEvent, chatEvents })));
  const text = new TextDecoder();
  for await (const chunk of answer.body) {
    take(decodeAgUiSseChunk(state, text.decode(chunk, { stream: true })));
  }
  take(flushAgUiSseChunk(state));
  return events;
}

async function drive(base, ids) {
  const client = runs.createRunsClient({
    apiUrl: base,
    authToken: "x",
    projectReference: "local",
    retry: { maxRetries: 0 },
  });
  const ended = async (id) => await (await fetch(`${base}/api/v1/runs/${id}/stream`)).text();
  const projectId = crypto.randomUUID();
  const seen = {};

  const task = {
    projectId, publicId: `task:${projectId}`, target: "task:echo", name: "n", config: { prompt: "hi" },
    timeoutSeconds: 30, backoffLimit: 2,
  };
  seen.created = await client.createTaskRun(task);
  seen.again = await client.createTaskRun(task);
  seen.conflict = await client.createTaskRun({ ...task, target: "task:quick" }).catch((error) => error.status);
  await ended(task.publicId);
  seen.got = await client.get(task.publicId);
  seen.first = await client.events(task.publicId, { limit: 2 });
  seen.rest = await client.events(task.publicId, { afterEventId: seen.first.data.at(-1).event_id });
  seen.child = await client.createTaskRun({ projectId, parentRunId: task.publicId, target: "task:wait", config: {} });
  seen.cancelled = await client.cancel(seen.child.run.run_id);
  seen.twice = await client.cancel(seen.child.run.run_id);
  seen.late = await client.cancel(task.publicId);
  seen.page = await client.list({ projectReference: projectId, limit: 1 });
  seen.next = await client.list({ projectReference: projectId, cursor: seen.page.page_info.next });
  seen.all = (await client.list()).data.length;
  seen.unknown = await client.get("nobody").catch((error) => error.status);
  seen.workflow = await client.createWorkflowRun({ projectId, workflowId: "w" }).catch((error) => error.status);

  const conversationId = crypto.randomUUID();
  const canary = createDurableRunCanaryApiClient({
    apiUrl: base, authToken: "x", agentId: "echo", projectId, requestTimeoutMs: 20_000,
  });
  const runId = `run_${crypto.randomUUID()}`;
  await canary.createDurableRootRun({ conversationId, runId });
  seen.held = await canary.getRunSummary({ conversationId, runId });
  await canary.startDurableRun({
    conversationId, runId, messageId: seen.held.messageId, prompt: "two steps", userMessageId: "m1",
  });
  const stream = `${base}/conversations/${conversationId}/runs/${runId}/stream`;
  seen.stream = await follow(stream);
  seen.resumed = await follow(stream, seen.stream[1].eventId);
  seen.ended = await canary.getRunSummary({ conversationId, runId });
  seen.agent = await client.get(runId);

  seen.runs = {};
  for (const id of [...ids, task.publicId, runId, seen.child.run.run_id]) {
    const raw = await (await fetch(`${base}/runs/${encodeURIComponent(id)}`)).json();
    const parsed = runs.RunSchema.safeParse(raw);
    const events = await (await fetch(`${base}/runs/${encodeURIComponent(id)}/events`)).json();
    seen.runs[id] = {
      status: raw.status,
      fits: parsed.success && runs.RunEventListSchema.safeParse(events).success,
      issues: parsed.issues,
    };
  }
  return seen;
}

const [what, ids] = process.argv.slice(2);
const answer = what === "describe"
  ? Object.fromEntries(Object.entries(SCHEMAS).map(([name, schema]) => [name, describe(schema, true)]))
  : await drive(what, JSON.parse(ids));
console.log(JSON.stringify(answer));
process.exit(0); // the package leaves timers behind
