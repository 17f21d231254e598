// Submit a run and print what its agent prints, with the npm package eventsource. It comes back by itself.
//
// npm install eventsource && node eventsource.mjs http://127.0.0.1:8005 hello "Say hello to the world"
import { EventSource } from "eventsource";

const [server, agent, prompt] = process.argv.slice(2);
const answer = await fetch(`${server}/api/v1/runs`, {
  method: "POST",
  headers: { "Content-Type": "application/json" },
  body: JSON.stringify({ agent, prompt }),
});
const { stream_url: address, detail } = await answer.json();
if (!address) throw new Error(detail);

const stream = new EventSource(address);
stream.addEventListener("log", ({ data }) => {
  const { stream: name, text } = JSON.parse(data);
  if (name === "stdout") process.stdout.write(text);
});
stream.addEventListener("complete", ({ data }) => {
  stream.close(); // else it would ask again, and be told 204
  process.exitCode = JSON.parse(data).status === "succeeded" ? 0 : 1;
});
stream.addEventListener("error", ({ code }) => {
  if (stream.readyState !== stream.CLOSED) return; // the server is away: it asks again
  console.error(`the stream is over: ${code ?? "no answer"}`);
  process.exitCode = 1;
});
