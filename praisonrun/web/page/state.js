// What the page knows, and how it learns it: the address, the API, one stream for everything.
const RUNS = "/api/v1/runs", SERVED = "/v1/agent-deployments";
const FILTERS = ["status", "agent", "session_id", "q", "mode"], PAGE = 100, EVENTS = 1000, MOST_OF_EVENT = 4000;
const S = { runs: new Map(), total: 0, page: 1, filters: {}, agents: [], problems: [], stats: {}, draft: {}, hours: [], busy: [], days: [], services: {} };
let frame = 0, streaming = new AbortController(), asked = 0, due = 0;
/** Note changes, and show them in the next frame. */
const update = (changes) => (Object.assign(S, changes), frame ||= requestAnimationFrame(() => (frame = 0, view())));
const final = (run) => run.completed_at !== null;

function address() {
	const query = new URLSearchParams(location.search), path = /^\/ui\/runs\/(.+?)\/?$/.exec(location.pathname);
	update({ filters: Object.fromEntries(FILTERS.map((name) => [name, query.get(name) || ""])), tab: query.get("tab") || "log", word: path ? decodeURIComponent(path[1]) : "" });
}
const given = (filters = S.filters) => new URLSearchParams(Object.entries(filters).filter(([, value]) => value));
/** The address of what is shown, with some changes. */
function link(changes) {
	const { word, tab, ...filters } = { word: S.word, tab: S.tab, ...S.filters, ...changes }, query = given(filters);
	if (word && tab !== "log") query.set("tab", tab);
	return `${word ? `/ui/runs/${encodeURIComponent(word)}` : "/"}${query.size ? `?${query}` : ""}`;
}
const go = (changes, how = "pushState") => (history[how](null, "", link(changes)), routed());

async function routed() {
	const was = `${given()}`, { word, filters: { mode } } = S;
	address();
	if (S.word !== word && S.word !== S.job?.job_id) open();
	if (`${given()}` !== was) await list();
	if (mode !== S.filters.mode) stream();
	if ((word && !S.word) || mode !== S.filters.mode) refresh();
}
async function list(page = 1) {
	const query = given({ ...S.filters, page, page_size: PAGE }), mine = ++asked;
	const answer = await tried(() => call("GET", `${RUNS}?${query}`)), { jobs, total } = (await answer?.json()) || {};
	if (!jobs || mine !== asked) return;
	const runs = [...(page === 1 ? [] : S.runs), ...jobs.map((run) => [run.job_id, run])];
	update({ runs: new Map(runs), total, page, cursor: S.cursor || answer.headers.get("praisonrun-cursor") });
}
const place = () => S.cursor.split(".").slice(0, 2).join("."), quiet = (path) => get(path).catch(() => null);

async function open() {
	const { word } = S, [, after, at] = /^#(\d+)\.(\d+)$/.exec(location.hash) || [];
	streaming.abort();
	[sought, here] = ["", after ? `${after}.${at}` : ""];
	update({ job: null, gone: "", log: new Log(), past: null, events: [], attempts: [], last: 0, result: null, files: [], hooks: [], asks: [], cursor: place() });
	const job = word && (await get(`/api/v1/ids/${encodeURIComponent(word)}`).catch((error) => error));
	if (word !== S.word) return;
	const kind = S.agents.find(({ name }) => name === job.agent)?.mode;
	if (job instanceof Error) [404, 422].includes(job.status) ? update({ gone: job.message }) : failed(job);
	else if ((S.job = job || null)) go({ word: job.job_id, mode: { run: "", service: kind }[kind] ?? S.filters.mode }, "replaceState");
	if (S.job && here) part({ after: +after, at: +at }, history.replaceState(null, "", `#${here}`));
	stream();
	extras();
}
/** Follow all runs, and the one that is shown, from the cursor on. A hidden tab at most waits for ends and questions. */
function stream() {
	streaming.abort();
	if (!S.cursor || (document.hidden && !S.notify)) return;
	streaming = new AbortController();
	let at = place();
	const { mode } = S.filters, url = (after, runs) => `/api/v1/events?${given({ after, mode, runs })}`;
	const end = ({ event, cursor, run }) => (at = cursor || at, event === "run" && (final(run) || run.questions[0]) && tell(run));
	if (document.hidden) follow(() => url(at), streaming.signal, nothing, end, nothing);
	else follow(() => url(S.cursor, S.job?.job_id), streaming.signal, back, heard, away);
}
const back = () => (S.away && refresh(), update({ away: 0 }));
const away = (error) => (error?.status < 500 ? failed(error) : update({ away: S.away || Date.now() }));

function heard(event) {
	S.cursor = event.cursor || S.cursor;
	if (event.run_id) return event.run_id === S.job?.job_id && own(event);
	const { event: name, run, id, version } = event;
	if (name === "run") changed(run);
	else if (name === "removed") {
		S.total -= S.runs.delete(id);
		if (id === S.job?.job_id) update({ gone: "It was deleted, by hand or by age.", job: null });
	} else if (name === "progress" || name === "usage") {
		for (const known of [S.runs.get(id), S.job]) if (known?.job_id === id) known[name] = event[name];
	} else if (name === "server") S.newer = version !== (S.version ||= version) && version;
	else if (name === "reset") list().then(open);
	update();
}
function changed(run) {
	const { filters } = S, known = S.runs.has(run.job_id), fits = ["agent", "session_id"].every((name) => ["", run[name]].includes(filters[name]));
	if (fits && (filters.status || run.status).includes(run.status) && (known || !filters.q)) S.runs.set(run.job_id, run);
	else S.runs.delete(run.job_id);
	S.total += S.runs.has(run.job_id) - known;
	if (run.job_id === S.job?.job_id && (final(Object.assign(S.job, run)) || run.questions.length)) extras();
	due ||= setTimeout(() => (due = 0, refresh()), 700);
}

function own(event) {
	S.log.add(event, S.last);
	S.last = event.id;
	if (event.event === "log") return;
	if (event.event === "attempt") S.attempts.push({ ...event.data, ts: event.ts });
	S.events.push({ ...event, data: JSON.stringify(event.data).slice(0, MOST_OF_EVENT) });
	if (S.events.length > EVENTS) S.events.shift();
	update();
}
/** The steps of the log that are before what is shown of it. Those of its end are its blocks. */
const before = (first = S.past || S.log.el.firstChild) => [...S.log.cut, ...S.log.el.children].filter(({ after, at }) => after < first?.after || (after === first?.after && at < first.at));
const earlier = (steps = before().slice(-10)) => part(steps[0], sum(steps, "n"));
/** Show `left` lines of the log from one on, instead of its end. */
async function part({ after, at }, left = 2500) {
	const id = S.job.job_id, log = Object.assign(new Log(), { after, at, follow: false });
	while (left > 0) {
		const page = await tried(() => get(`${RUNS}/${id}/events?after=${after}`));
		if (!page?.events.length || id !== S.job?.job_id) break;
		for (const event of page.events) {
			left -= left > 0 && log.add(event, after, at, left);
			[after, at] = [event.id, 0];
		}
	}
	update({ past: log });
}

async function extras() {
	const { job } = S, of = (what) => quiet(`${RUNS}/${job.job_id}/${what}`);
	if (!job) return;
	const [result, files, hooks, whole] = [final(job) && (await of("result")), await of("artifacts"), await of("deliveries"), await quiet(`${RUNS}/${job.job_id}`)];
	if (job === S.job) update({ result, files: files?.artifacts || [], hooks: hooks?.deliveries || [], asks: whole?.questions || [], position: whole?.queue_position });
}

async function refresh() {
	if (document.hidden || S.locked) return;
	const [stats, health, known, activity] = [await quiet("/stats"), await quiet("/health"), await quiet("/api/v1/agents"), await quiet("/api/v1/activity")];
	if (stats && health && known) update({ stats: stats.by_status, problems: health.problems, agents: known.agents, usual: known.default });
	if (activity) update({ hours: activity.hours, busy: activity.agents });
	if (!S.word) update({ days: (await quiet("/api/v1/usage?since=30d&by=day"))?.usage || S.days });
	if (S.job?.status === "queued") extras();
	if (S.filters.q) list(S.page);
	services();
}
/** Ask where services are and whether they are ready: no event tells that. */
async function services() {
	if (document.hidden || S.locked || S.filters.mode !== "service") return;
	for (const agent of new Set([...S.runs.values()].filter((run) => !final(run)).map((run) => run.agent)))
		for (const each of (await quiet(`${served(agent)}?limit=200`))?.items || []) S.services[each.id] = each;
	update();
}
const served = (agent) => `${SERVED}/${encodeURIComponent(agent)}/services`;
const instance = (id) => `adsvc_${id.startsWith("run_") ? id.slice(4) : `~${id}`}`;
/** Say what went wrong. That the server is away is said by the stream. */
const failed = ({ status, message }) => void update(status === 401 ? { locked: true } : { toast: status ? message : "The server does not answer." });
const tried = (work) => work().catch(failed);
/** Post, and show the run whose id `word` finds in the answer, if any. */
async function send(word, path, body, key) {
	const answer = await tried(() => post(path, body, key));
	if (!answer) return;
	S.toast = "";
	const id = word(await answer.json());
	id ? go({ word: id, tab: "log" }) : extras();
}
const made = (answer) => answer.job_id, nothing = () => "";
const submit = (body) => send((answer) => (S.draft = {}, made(answer)), RUNS, body, (S.draft.key ||= newKey())); // one key for all tries
const act = (verb, body) => send(verb === "retry" ? made : nothing, `${RUNS}/${S.job.job_id}/${verb}`, body);
const restarting = () => `${served(S.job.agent)}/${instance(S.job.job_id)}/restart`, restart = () => send(nothing, restarting());
const serve = (agent) => send(({ id }) => id.slice(6), served(agent), {}, newKey());
/** Have the browser tell of ends and questions while the tab is hidden, or no longer. It asks the person, so only after a click. */
async function notify() {
	const on = !S.notify && (await Notification.requestPermission()) === "granted";
	localStorage.setItem("notify", on ? 1 : "");
	update({ notify: on, toast: !on && Notification.permission === "denied" ? "The browser forbids notifications: allow them in its settings." : "" });
}
/** The latest end is told alone, so that many are no flood. */
function tell({ job_id: word, agent, status, title, questions: [asked] }) {
	if (S.runs.get(word)?.completed_at || S.told === (S.told = word + status)) return;
	const said = new Notification(`${safe(agent)} ${asked ? "asks" : status}`, { body: safe(asked?.question || title), tag: asked ? word : "end" });
	said.onclick = () => (focus(), go({ word }));
}
/** Ask until the server answers, or wants its token. */
async function start() {
	for (S.locked = false; !S.locked; await pause(1000)) {
		await Promise.all([list(), refresh()]);
		if (S.cursor) return open();
	}
}
function begin() {
	S.notify = window.Notification?.permission === "granted" && localStorage.getItem("notify");
	takeToken();
	address();
	start();
	addEventListener("popstate", routed);
	document.addEventListener("visibilitychange", () => (stream(), refresh()));
	setInterval(() => document.hidden || update(), 1000);
	setInterval(services, 2000);
	setInterval(refresh, 15_000);
}
