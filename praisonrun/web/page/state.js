// What the page knows, and how it learns it: the address, the API, one stream for everything. The token is in no URL.
import { Log } from "./log.js";

export const RUNS = "/api/v1/runs";
const KEPT = "praisonrun-token", SILENT = 40_000;
const keepToken = (text) => sessionStorage.setItem(KEPT, text);
export const token = () => sessionStorage.getItem(KEPT);

/** Take the token of an address that ends in #token=…, a part that browsers never send, and hide it. */
function takeToken() {
	if (!location.hash.startsWith("#token=")) return;
	keepToken(decodeURIComponent(location.hash.slice(7)));
	history.replaceState(null, "", location.pathname + location.search);
}

export async function call(method, path, body, headers = {}, signal) {
	if (body) headers["Content-Type"] = "application/json";
	if (token()) headers.Authorization = `Bearer ${token()}`;
	const answer = await fetch(path, { method, headers, signal, body: body && JSON.stringify(body) });
	if (answer.ok) return answer;
	const said = await answer.json().catch(() => ({}));
	throw Object.assign(Error(said.detail || `the server answered ${answer.status}`), { status: answer.status });
}
const get = async (path) => (await call("GET", path)).json();
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

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
			if (performance.now() - since < 12) continue;
			await pause(0); // so that the page is painted, and can be clicked, meanwhile
			since = performance.now();
		}
	}
	clearTimeout(timer);
}

const FILTERS = ["status", "agent", "session_id", "q", "mode"], EVENTS = 1000, LONGEST = 4000;
export const PAGE = 100;
export const S = { runs: new Map(), total: 0, page: 1, filters: {}, agents: [], problems: [], stats: {}, draft: {} };
let view, frame = 0, streaming = new AbortController(), asked = 0, due = 0;
export const update = () => (frame ||= requestAnimationFrame(() => (frame = 0, view())));
export const final = (run) => run.completed_at !== null;

function address() {
	const query = new URLSearchParams(location.search), path = /^\/ui\/runs\/(.+?)\/?$/.exec(location.pathname);
	S.filters = Object.fromEntries(FILTERS.map((name) => [name, query.get(name) || ""]));
	S.tab = query.get("tab") || "log";
	S.word = path ? decodeURIComponent(path[1]) : "";
}
export const given = (filters = S.filters) => new URLSearchParams(Object.entries(filters).filter(([, value]) => value));

/** The address of what is shown, with some changes. */
export function link(changes) {
	const { word, tab, ...filters } = { word: S.word, tab: S.tab, ...S.filters, ...changes }, query = given(filters);
	if (word && tab !== "log") query.set("tab", tab);
	return `${word ? `/ui/runs/${encodeURIComponent(word)}` : "/"}${query.size ? `?${query}` : ""}`;
}

export const go = (changes, how = "pushState") => (history[how](null, "", link(changes)), routed());

async function routed() {
	const before = `${given()}`, { word, filters: { mode } } = S;
	address();
	update();
	if (S.word !== word && S.word !== S.job?.job_id) open();
	if (`${given()}` !== before) await list();
	if (mode !== S.filters.mode) stream();
}

export async function list(page = 1) {
	const query = given({ ...S.filters, page, page_size: PAGE }), mine = ++asked;
	const answer = await tried(() => call("GET", `${RUNS}?${query}`)), body = await answer?.json();
	if (!body || mine !== asked) return;
	if (page === 1) S.runs = new Map();
	for (const run of body.jobs) S.runs.set(run.job_id, run);
	Object.assign(S, { total: body.total, page, cursor: S.cursor || answer.headers.get("praisonrun-cursor") });
	update();
}

async function open() {
	const word = S.word;
	streaming.abort();
	Object.assign(S, { job: null, gone: "", log: new Log(update), past: null, events: [], attempts: [], last: 0, result: null, files: [], hooks: [] });
	S.cursor = S.cursor.split(".").slice(0, 2).join(".");
	try {
		const job = word && (await get(`/api/v1/ids/${encodeURIComponent(word)}`));
		if (word !== S.word) return;
		if (job) history.replaceState(null, "", link({ word: S.word = job.job_id }));
		S.job = job || null;
	} catch (error) {
		if (word !== S.word) return;
		if (error.status === 404 || error.status === 422) S.gone = error.message;
		else failed(error);
	}
	stream();
	extras();
	update();
}

/** Follow all runs, and the one that is shown, from the cursor on. A hidden tab follows nothing. */
function stream() {
	streaming.abort();
	streaming = new AbortController();
	const url = () => `/api/v1/events?${given({ after: S.cursor, mode: S.filters.mode, runs: S.job?.job_id })}`;
	if (S.cursor && !document.hidden) follow(url, streaming.signal, back, heard, away);
}

function back() {
	if (S.away) refresh();
	update(S.away = 0);
}

function away(error) {
	if (error?.status < 500) failed(error);
	else S.away ||= Date.now();
	update();
}

function heard(event) {
	S.cursor = event.cursor || S.cursor;
	if (event.run_id) return event.run_id === S.job?.job_id && own(event);
	const { event: name, run, id, version } = event;
	if (name === "run") changed(run);
	else if (name === "removed") {
		S.total -= S.runs.delete(id);
		if (id === S.job?.job_id) Object.assign(S, { gone: "It was deleted, by hand or by age.", job: null });
	} else if (name === "progress" || name === "usage") {
		for (const known of [S.runs.get(id), S.job]) if (known?.job_id === id) known[name] = event[name];
	} else if (name === "server") S.newer = version !== (S.version ||= version) && version;
	else if (name === "reset") list().then(open);
	update();
}

function changed(run) {
	const { status, agent, session_id, q } = S.filters, known = S.runs.has(run.job_id);
	const fits = (!status || status.split(",").includes(run.status)) && [run.agent, ""].includes(agent) && (!session_id || session_id === run.session_id);
	if (fits && (known || !q)) S.runs.set(run.job_id, run);
	else S.runs.delete(run.job_id);
	S.total += S.runs.has(run.job_id) - known;
	if (run.job_id === S.job?.job_id && final(Object.assign(S.job, run))) extras();
	due ||= setTimeout(() => (due = 0, refresh()), 700);
}

function own(event) {
	S.log.add(event, S.last);
	S.last = event.id;
	if (event.event === "log") return;
	if (event.event === "attempt") S.attempts.push({ ...event.data, ts: event.ts });
	S.events.push({ ...event, data: JSON.stringify(event.data).slice(0, LONGEST) });
	if (S.events.length > EVENTS) S.events.shift();
	update();
}

/** Show the lines before the first that is in the page, or before the earlier part that is shown. */
export async function earlier() {
	const { cut } = S.log, id = S.job.job_id, part = new Log();
	let at = S.past?.at ?? cut.length, left = 0;
	while (at > 0 && left < 2500) left += cut[--at].n;
	for (let { after, skip } = cut[at]; left > 0; ) {
		const page = await tried(() => get(`${RUNS}/${id}/events?after=${after}`));
		if (!page?.events.length || id !== S.job?.job_id) break;
		for (const event of page.events) {
			left -= left > 0 && part.add(event, after, skip, left);
			[after, skip] = [event.id, 0];
		}
	}
	S.past = Object.assign(part, { at, follow: false });
	update();
}

async function extras() {
	const { job } = S, quiet = (what) => get(`${RUNS}/${job.job_id}/${what}`).catch(() => null);
	if (!job) return;
	const [result, files, hooks] = [final(job) && (await quiet("result")), await quiet("artifacts"), await quiet("deliveries")];
	if (job !== S.job) return;
	Object.assign(S, { result, files: files?.artifacts || [], hooks: hooks?.deliveries || [] });
	update();
}

async function refresh() {
	if (document.hidden || S.locked) return;
	await tried(async () => {
		const [stats, { problems }, { agents, default: usual }] = [await get("/stats"), await get("/health"), await get("/api/v1/agents")];
		const activity = await get("/api/v1/activity?hours=24").catch(() => null);
		Object.assign(S, { stats: stats.by_status, problems, agents, usual, hours: activity?.hours });
	}, true);
	if (S.filters.q) list(S.page);
	update();
}

/** Say what went wrong. That the server is away is said by the stream. */
function failed(error) {
	if (error.status === 401) S.locked = true;
	else S.toast = error.status ? error.message : "The server does not answer. Try again when it is back.";
	update();
	return null;
}

export const tried = (work, quiet) => work().catch((error) => (quiet && !error.status ? null : failed(error)));

export async function submit(body) {
	const key = (S.draft.key ||= crypto.getRandomValues(new Uint32Array(4)).join("-")); // the same in each try
	const answer = await tried(() => call("POST", RUNS, body, { "Idempotency-Key": key }));
	if (!answer) return;
	Object.assign(S, { draft: {}, toast: "" });
	go({ word: (await answer.json()).job_id, tab: "log" });
}

export async function act(verb) {
	const answer = await tried(() => call("POST", `${RUNS}/${S.job.job_id}/${verb}`, {}));
	if (!answer) return;
	S.toast = "";
	if (verb === "retry") go({ word: (await answer.json()).job_id, tab: "log" });
	else extras();
}

export async function start(given) {
	if (given) keepToken(given);
	S.locked = false;
	await Promise.all([list(), refresh()]);
	if (S.cursor || S.locked) return S.cursor && open();
	await pause(1000);
	start();
}

export function begin(render) {
	view = render;
	takeToken();
	address();
	start();
	addEventListener("popstate", routed);
	document.addEventListener("visibilitychange", () => (stream(), refresh()));
	setInterval(() => document.hidden || update(), 1000);
	setInterval(refresh, 15_000);
}
