// Submit a run and print what its agent prints, beside what happens to all runs: one stream for everything.
// The server may stop and start meanwhile. Node 18 or newer, a VS Code extension, Deno, Bun: fetch alone.
//
// node follow.mjs http://127.0.0.1:8005 hello "Say hello to the world"
const [server, agent, prompt] = process.argv.slice(2);

const pause = (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));

async function* lines(body) {
  let rest = "";
  for await (const piece of body.pipeThrough(new TextDecoderStream())) {
    const found = (rest + piece).split("\n");
    rest = found.pop();
    yield* found;
  }
}

/** Yield the news of all runs, and what the run `id` prints, each once, for ever. */
async function* news(cursor, id) {
  for (;;) {
    try {
      const answer = await fetch(`${server}/api/v1/events?after=${cursor}&runs=${id}`, {
        headers: { Accept: "application/x-ndjson" },
      });
      if (answer.status >= 400 && answer.status < 500) throw new Error(await answer.text());
      if (!answer.ok) throw new TypeError(`the server answers ${answer.status}`);
      for await (const line of lines(answer.body)) {
        const event = JSON.parse(line);
        yield event;
        cursor = event.cursor || cursor;
      }
    } catch (error) {
      // The server is away: fetch and its body throw TypeError. A half line is gone with its stream.
      if (!(error instanceof TypeError)) throw error;
    }
    await pause(1);
  }
}

const list = await fetch(`${server}/api/v1/runs`, { method: "HEAD" });
const answer = await fetch(`${server}/api/v1/runs`, {
  method: "POST",
  headers: { "Content-Type": "application/json" },
  body: JSON.stringify({ agent, prompt }),
});
const { job_id: id, detail } = await answer.json();
if (!id) throw new Error(detail);
for await (const event of news(list.headers.get("praisonrun-cursor"), id)) {
  if (event.event === "reset") throw new Error(`list again: ${event.reason}`);
  if (event.event === "run") console.error(event.run.job_id, event.run.status, event.run.title);
  if (event.run_id !== id) continue;
  if (event.event === "log" && event.data.stream === "stdout") process.stdout.write(event.data.text);
  if (event.event === "complete") {
    process.exitCode = event.data.status === "succeeded" ? 0 : 1;
    break;
  }
}
