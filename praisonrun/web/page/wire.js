// How the page asks: the API, and streams of JSON lines. The token is in no URL.
import { h, render } from "./preact.js";
import htm from "./htm.js";
const html = htm.bind(h), KEPT = "praisonrun-token", SILENT = 40_000;
const keepToken = (text) => sessionStorage.setItem(KEPT, text);
const token = () => sessionStorage.getItem(KEPT);

/** Take the token of an address that ends in #token=…, a part that browsers never send, and hide it. */
function takeToken() {
	if (!location.hash.startsWith("#token=")) return;
	keepToken(decodeURIComponent(location.hash.slice(7)));
	history.replaceState(null, "", location.pathname + location.search);
}

async function call(method, path, body, headers = {}, signal) {
	if (body) headers["Content-Type"] = "application/json";
	if (token()) headers.Authorization = `Bearer ${token()}`;
	const answer = await fetch(path, { method, headers, signal, body: body && JSON.stringify(body) });
	if (answer.ok) return answer;
	const said = await answer.json().catch(() => ({}));
	throw Object.assign(Error(said.detail || said.error || `the server answered ${answer.status}`), { status: answer.status });
}
const get = async (path) => (await call("GET", path)).json();
const post = (path, body = {}, key) => call("POST", path, body, key && { "Idempotency-Key": key });
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const newKey = () => `${Date.now()}-${Math.random()}`;

/** Follow a stream of JSON lines until `signal` aborts, over all breaks. `url` says where it continues. */
async function follow(url, signal, open, event, away) {
	for (let wait = 500; !signal.aborted; wait = Math.min(wait * 1.6, 5000)) {
		const fault = await lines(url(), signal, () => (wait = 500, open()), event).catch((error) => error);
		if (signal.aborted) return;
		away(fault);
		await pause(wait);
	}
}
async function lines(url, signal, open, event) {
	const quiet = new AbortController();
	let timer, rest = "", since = performance.now();
	const listen = () => (clearTimeout(timer), timer = setTimeout(() => quiet.abort(), SILENT));
	listen();
	const answer = await call("GET", url, undefined, { Accept: "application/x-ndjson" }, AbortSignal.any([signal, quiet.signal]));
	open();
	const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
	for (let read; !(read = await reader.read()).done; listen()) {
		rest += read.value;
		if (!read.value.includes("\n")) continue;
		const found = rest.split("\n");
		rest = found.pop();
		for (const line of found) {
			if (signal.aborted) return;
			event(JSON.parse(line));
			if (performance.now() - since < 8) continue;
			await pause(0); // so that the page is painted, and can be clicked, meanwhile
			since = performance.now();
		}
	}
	clearTimeout(timer);
}
