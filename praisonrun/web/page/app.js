// What is seen: the list, the run, and the keys.
import { html, render } from "./preact.js";
import { clock, safe } from "./log.js";
import { PAGE, RUNS, S, act, begin, call, earlier, final, given, go, link, list, start, submit, token, tried, update } from "./state.js";

const TABS = ["log", "events", "result", "files", "webhooks", "curl"], ALL = { word: "", status: "", agent: "", session_id: "", q: "", mode: "" };
const GLYPH = { queued: "◌", running: "◐", succeeded: "✓", failed: "✗", cancelled: "⊘" };
const WHY = { timed_out: "Retry it, or give it a longer timeout.", lost: "Nothing is run again unasked: retry it.", spawn_failed: "praisonrun check says what is missing.", env_lost: "Run it again with its variables: they are never stored." };
const KEYS = { "j k": "next, previous run", Enter: "show it", n: "new run", "/": "find", f: "follow the log", c: "cancel (twice)", r: "retry", R: "retry with changes", y: "copy the id", "1–6": "tabs", Esc: "back" };
const $ = (query) => document.querySelector(query);
const clip = (text) => navigator.clipboard?.writeText(text);
const copy = (text) => html`<button class="quiet" onClick=${() => clip(text)}>copy</button>`;
const text = (value) => (typeof value === "string" ? value : JSON.stringify(value, null, 2) ?? "");
const amount = (n) => (n < 1e4 ? String(n) : n < 1e6 ? `${(n / 1e3).toFixed(1)}k` : `${(n / 1e6).toFixed(1)}M`);
const bytes = (n) => (n < 1e6 ? `${(n / 1e3).toFixed(1)} kB` : `${(n / 1e6).toFixed(1)} MB`);
const note = (words) => html`<p class="note">${words}</p>`;
const table = (rows) => html`<div class="scroll" tabindex="0" role="region" aria-label="Table"><table><tbody>${rows.map(([name, ...cells]) => html`<tr><th scope="row">${name}</th>${cells.map((cell) => html`<td>${cell}</td>`)}</tr>`)}</tbody></table></div>`;
const curl = (path, more = "") => `curl ${more}${token() ? '-H "Authorization: Bearer $TOKEN" ' : ""}${quoted(location.origin + path)}`;
const quoted = (words) => `'${words.replaceAll("'", "'\\''")}'`;

function took(ms) {
	const s = Math.max(0, ms / 1000), [unit, size, below, part] = s < 3600 ? ["min", 60, "s", 1] : s < 86400 ? ["h", 3600, "min", 60] : ["d", 86400, "h", 3600];
	return s < 60 ? `${s.toFixed(s < 10 ? 1 : 0)} s` : `${Math.floor(s / size)} ${unit} ${Math.floor((s % size) / part)} ${below}`;
}
const lasted = (run) => took((run.completed_at ? Date.parse(run.completed_at) : Date.now()) - Date.parse(run.started_at || run.created_at));

/** A link within the page. */
function to(changes, names, body, more) {
	const follow = (event) => event.metaKey || event.ctrlKey || event.shiftKey || (event.preventDefault(), go(changes));
	return html`<a class=${names} href=${link(changes)} onClick=${follow} ...${more}>${body}</a>`;
}
const current = (is) => ({ "aria-current": is ? "true" : null });

function Row({ run }) {
	const { percentage: part, current_step: step } = run.progress;
	const line = { queued: run.queue_reason, failed: run.error, running: part || step ? `${Math.round(part)} % ${step || ""}` : "" }[run.status];
	return to({ word: run.job_id }, "row", html`<span class="g ${run.status}" aria-hidden="true">${GLYPH[run.status]}</span><b>${safe(run.agent)}</b>
		<span class="title">${safe(run.title)}</span><time>${lasted(run)}</time><small>${run.status}${line && ` · ${safe(line)}`}</small>`, current(run.job_id === S.job?.job_id));
}

function Chart() {
	const sum = (name) => S.hours.reduce((n, hour) => n + hour[name], 0), most = Math.max(1, ...S.hours.map((hour) => hour.finished));
	const words = `${amount(sum("finished"))} finished in 24 h, ${amount(sum("failed"))} failed`;
	const bar = (at, names, n, below) => html`<rect class="fill ${names}" x=${at * 5} y=${20 - ((n + below) / most) * 20} width="4" height=${(n / most) * 20} />`;
	return html`<span class="chart"><svg viewBox="0 0 120 20" role="img" aria-label=${words}>${S.hours.map(({ finished, failed }, at) => [bar(at, "", finished - failed, failed), bar(at, "failed", failed, 0)])}</svg>${words}</span>`;
}

const choice = (label, value, names, change, any) => html`<select aria-label=${label} value=${value} onChange=${(event) => change(event.target.value)}>${any && html`<option value="">${any}</option>`}${names.map((name) => html`<option value=${name}>${safe(name)}</option>`)}</select>`;

/** What is submitted of a draft, or was of a run. */
const body = ({ agent, prompt, session_id, cwd, timeout }) => Object.fromEntries(Object.entries({ agent, prompt, session_id, cwd, timeout: Number(timeout) }).filter(([, value]) => value));

function Top() {
	const { draft, stats } = S, keep = (name) => (event) => (draft[name] = event.target.value), names = S.agents.filter(({ mode }) => mode === "run").map(({ name }) => name);
	const field = (name, label) => html`<label>${label}<input value=${draft[name] ?? ""} onInput=${keep(name)} /></label>`;
	const send = (event) => submit(body(draft), event.preventDefault());
	const enter = (event) => event.key === "Enter" && !event.shiftKey && !event.isComposing && (event.preventDefault(), event.target.form.requestSubmit());
	return html`<header><h1>${to(ALL, "", "praisonrun")}</h1><span class=${S.away ? "failed" : "succeeded"}>● ${S.away ? "away" : "live"}</span>
		<span class="note">${stats.running || 0} running · ${stats.queued || 0} queued</span>${S.hours && html`<${Chart} />`}
		<form onSubmit=${send}>${choice("Agent of a new run", draft.agent ?? S.usual, names, (name) => (draft.agent = name))}
			<textarea rows="1" required aria-label="Prompt" placeholder="prompt… (n)" value=${draft.prompt ?? ""} onInput=${keep("prompt")} onKeyDown=${enter} /><button class="main">Run</button>
			<details><summary>More</summary><div>${field("session_id", "Session")}${field("cwd", "Directory")}${field("timeout", "Timeout in seconds")}</div></details></form></header>
		<div aria-live="polite">${S.away ? html`<p class="band failed">The server is away for ${took(Date.now() - S.away)}. Runs continue without it; this page fills when it is back.</p>` : ""}
		${S.newer && html`<p class="band">The server is praisonrun ${safe(S.newer)} now. <button onClick=${() => location.reload()}>Reload</button></p>`}
		${S.problems.map((problem) => html`<p class="band failed">${safe(problem)}</p>`)}
		${S.toast && html`<p class="band failed" role="alert">${safe(S.toast)} <button onClick=${() => (S.toast = "", update())}>Close</button></p>`}</div>`;
}

function Filters() {
	const { status, agent, session_id, q, mode } = S.filters;
	return html`<nav aria-label="Filters">${["", ...Object.keys(GLYPH)].map((name) => to({ status: name }, "chip", html`${name || "all"} <b>${S.stats[name] || ""}</b>`, current(status === name)))}
		${to({ mode: mode ? "" : "service", word: "" }, "chip", "services", current(mode))}${choice("Agent", agent, S.agents.map(({ name }) => name), (name) => go({ agent: name }), "any agent")}
		${session_id && to({ session_id: "" }, "chip", `session ${safe(session_id)} ×`)}<input type="search" aria-label="Find" placeholder="find… (/)" value=${q} onInput=${(event) => go({ q: event.target.value }, "replaceState")} /></nav>`;
}

function Empty() {
	if (!S.cursor) return null;
	if (given().size) return html`<div class="empty"><p>No run matches.</p>${to(ALL, "", "Show all runs")}</div>`;
	const demo = S.agents.find(({ name }) => name === "hello") && "hello";
	return html`<div class="empty"><h2>No runs yet</h2><p>Write a prompt above, or try the first one:</p>${S.agents.length > 0 && html`<button class="main" onClick=${() => submit({ prompt: "Hello from the page", ...(demo && { agent: demo }) })}>Run the demo</button>`}
		<p>Your own agent is three lines of <code>agents.yaml</code>:</p><pre>agents:\n  mine:\n    command: [my-program, --flag]</pre></div>`;
}

function List() {
	const runs = [...S.runs.values()].sort((a, b) => (a.created_at < b.created_at ? 1 : -1)).slice(0, S.page * PAGE), query = given();
	return html`<section class="list" aria-label="Runs">${runs.length ? runs.map((run) => html`<${Row} key=${run.job_id} run=${run} />`) : html`<${Empty} />`}
		${S.total > runs.length && runs.length > 0 && html`<button onClick=${() => list(S.page + 1)}>${S.total - runs.length} more</button>`}
		<footer class="note">${copy(curl(`${RUNS}${query.size ? `?${query}` : ""}`))} this list as curl · <button class="quiet" onClick=${DO["?"]}>keys (?)</button></footer></section>`;
}

function Timeline({ job }) {
	const parts = [], from = Date.parse(job.created_at);
	let last = from, began = 0;
	const add = (names, until, words) => (until = Math.max(last, until), parts.push({ names, x: last - from, width: until - last, words: `${words} ${took(until - last)}` }), last = until);
	for (const { state, attempt, ts, exit_code, signal } of S.attempts) {
		if (state === "start") add("waited", Date.parse(ts), began ? "waited" : "queued");
		else add(exit_code === 0 ? "" : "failed", Date.parse(ts), `attempt ${attempt} ${signal ? `signal ${signal}` : `exit ${exit_code}`},`);
		began = state === "start" ? attempt : -1;
	}
	if (!final(job)) began > 0 ? add("running", Date.now(), `attempt ${began},`) : add("waited", Date.now(), "queued");
	const words = parts.map((part) => part.words).join(" · "), all = (n) => (n * 1000) / Math.max(1, last - from);
	return html`<div class="timeline"><svg viewBox="0 0 1000 8" preserveAspectRatio="none" aria-hidden="true">${parts.map(({ names, x, width }) => html`<rect class="fill ${names}" x=${all(x)} width=${Math.max(3, all(width))} height="8" />`)}</svg><small>${words}</small></div>`;
}

function Figures({ job }) {
	const { percentage: part, current_step: step, steps_completed: done, steps_total: of } = job.progress, { usage, cpu_seconds: cpu, max_rss_bytes: memory } = S.result?.metrics || {};
	const found = Object.entries({ ...job.usage, ...usage }).map(([name, n]) => `${name.replaceAll("_", " ")} ${/cost|usd/.test(name) ? `$${n.toFixed(2)}` : amount(n)}`);
	if (cpu) found.push(`cpu ${took(cpu * 1000)}`, `memory ${bytes(memory)}`);
	return html`<div class="note">${job.status === "running" && (part || step) ? html`<progress max="100" value=${part} aria-label="Progress" /> ${Math.round(part)} % ${safe(step)} ${of && `(${done} of ${of})`} ` : ""}${safe(found.join(" · "))}</div>`;
}

function Lines() {
	const { past, job } = S, log = past || S.log, before = S.log.cut.slice(0, past?.at).reduce((n, each) => n + each.n, 0);
	const flag = (name, label) => html`<label><input type="checkbox" checked=${S[name]} onChange=${() => (S[name] = !S[name], update())} /> ${label}</label>`;
	const scrolled = ({ target: { scrollHeight, scrollTop, clientHeight } }) => (log.follow = !past && scrollHeight - scrollTop - clientHeight < 40);
	return html`<div class="tools">${flag("times", "times")}${flag("nowrap", "long lines")}<button class="quiet" aria-pressed=${log.follow ? "true" : "false"} onClick=${bottom}>${past ? "back to the end" : "follow"} (f)</button>
		${before > 0 && html`<button class="quiet" onClick=${earlier}>${amount(before)} earlier lines</button>`}<${Save} url=${`${RUNS}/${job.job_id}/logs`} name="log.txt" words="whole log" />
		${!log.lines && html`<span>${final(job) ? "It printed nothing." : "Nothing is printed yet."}</span>`}</div>
		<div class="log ${S.times && "times"} ${S.nowrap && "nowrap"}" tabindex="0" role="log" aria-label="Log" aria-live="off" onScroll=${scrolled} ref=${(box) => box && box.firstChild !== log.el && box.replaceChildren(log.el)} />`;
}

function bottom() {
	Object.assign(S, { past: null }).log.follow = true;
	update(S.log.paint());
}

/** A download. A link sends no token, so with one the page asks for it. */
function Save({ url, name, words }) {
	const save = async (event) => {
		if (!token()) return;
		event.preventDefault();
		const blob = await tried(async () => (await call("GET", url)).blob());
		if (blob) Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: name }).click();
	};
	return html`<a href=${url} download=${name} onClick=${save}>${safe(words)}</a>`;
}

const VIEWS = {
	log: Lines,
	events: () => table(S.events.map(({ ts, event, data }) => [event, clock(ts), html`<code>${safe(data)}</code>`])),
	result: () => (S.result ? html`<div class="tools">${copy(text(S.result.result))}<${Save} url=${`${RUNS}/${S.job.job_id}/result`} name="result.json" words="whole result" /></div><pre class="scroll" tabindex="0">${safe(text(S.result.result).slice(0, 200_000))}</pre>` : note(final(S.job) ? "Its result cannot be read." : "There is no result before its end.")),
	files: () => (S.files.length ? table(S.files.map(({ path, url, size }) => [html`<${Save} url=${new URL(url).pathname} name=${path.split("/").pop()} words=${path} />`, bytes(size)])) : note("It left no files.")),
	webhooks: () => (S.hooks.length ? table(S.hooks.map(({ id, state, url, attempts }) => [state, safe(url), attempts.map(({ status, error }) => status || safe(error)).join(", "), html`<button onClick=${() => act(`deliveries/${id}/replay`)}>Send again</button>`])) : note("No webhook is owed.")),
	curl: () => {
		const path = `${RUNS}/${S.job.job_id}`, post = "-X POST ";
		const lines = { status: curl(path), follow: curl(`${path}/stream`, "-N "), log: curl(`${path}/logs`), result: curl(`${path}/result`), cancel: curl(`${path}/cancel`, post), retry: curl(`${path}/retry`, post), submit: `${curl(RUNS)} -H 'Content-Type: application/json' -d ${quoted(JSON.stringify(body(S.job)))}` };
		return table(Object.entries(lines).map(([name, line]) => [name, html`<code>${safe(line)}</code>`, copy(line)]));
	},
};

function again() {
	S.draft = body(S.job);
	update($("textarea").focus());
}

function Run() {
	const { job, gone } = S, { status, job_id: id, session_id } = job || {}, Tab = VIEWS[S.tab] || Lines, count = { files: S.files?.length, webhooks: S.hooks?.length };
	if (gone) return html`<section class="run"><div class="empty"><h2>This run is not here</h2><p>${safe(gone)}</p>${to({ word: "" }, "", "All runs")}</div></section>`;
	if (!job) return html`<section class="run"><div class="empty">${!S.word && "Choose a run, or write a prompt."}</div></section>`;
	const explain = () => clip(JSON.stringify({ ...job, attempts: S.attempts, last_lines: S.log.text().slice(-50) }, null, 1));
	return html`<section class="run" aria-label="Run"><div class="head">${to({ word: "" }, "back", "‹ runs")}<h2 class=${status}>${GLYPH[status]} ${status}</h2><b>${safe(job.agent)}</b>
		<span><code title=${id}>…${safe(id.slice(-6))}</code> ${copy(id)}</span><span>${lasted(job)}</span>${job.attempt > 1 && html`<span>attempt ${job.attempt}</span>`}${session_id && to({ session_id }, "", `session ${safe(session_id)}`)}
		<span class="acts">${final(job) ? html`<button class="main" onClick=${DO.r}>Retry</button> <button onClick=${again}>Retry with changes</button>` : html`<button class="danger" onClick=${() => act("cancel")}>${S.sure ? "Press c again" : S.filters.mode ? "Stop" : "Cancel"}</button>`} <button title="Copies all that is known, for an agent or a report" onClick=${explain}>Explain</button></span></div>
		<details class="prompt"><summary>${safe(job.title) || "prompt"}</summary><pre>${safe(job.prompt)}</pre></details><${Timeline} job=${job} /><${Figures} job=${job} />
		${status === "queued" ? html`<div class="why queued"><p>Waits: ${safe(job.queue_reason)}. ${job.due_at && `Next try at ${clock(job.due_at)}.`}</p></div>` : job.error && html`<div class="why ${status}"><p><b>${safe(job.error)}</b> ${WHY[job.failure]}</p>${job.error_tail && html`<pre>${safe(job.error_tail)}</pre>`}</div>`}
		<div class="tabs" role="tablist">${TABS.map((name) => to({ tab: name }, "", `${name} ${count[name] || ""}`, { role: "tab", "aria-selected": S.tab === name ? "true" : "false" }))}</div><div class="pane" role="tabpanel" aria-label=${S.tab}><${Tab} /></div></section>`;
}

const Lock = () => html`<main class="empty"><h1>This server wants its token</h1><p><code>praisonrun open</code> opens this page with it.</p>
	<form onSubmit=${(event) => (event.preventDefault(), start($("#token").value.trim()))}><label>Token <input id="token" type="password" autocomplete="off" required /></label> <button class="main">Open</button></form></main>`;
const Help = () => html`<dialog aria-label="Keys">${table(Object.entries(KEYS).map(([key, words]) => [html`<kbd>${key}</kbd>`, words]))}<form method="dialog"><button class="main">Close</button></form></dialog>`;

function view() {
	const { job, stats: { running } } = S, colour = S.away || job?.status === "failed" ? "c33" : running ? "27c" : "2a6";
	document.title = `${job ? `${GLYPH[job.status]} ${safe(job.title)} · ` : running ? `(${running}) ` : ""}praisonrun`;
	$("#icon").href = `data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 8 8'><circle cx='4' cy='4' r='3' fill='%23${colour}'/></svg>`;
	render(S.locked ? html`<${Lock} />` : html`<${Top} /><${Filters} /><main class=${S.word && "one"}><${List} /><${Run} /></main><${Help} />`, document.body);
	const box = $(".log");
	if (box && S.log.follow && !S.past) box.scrollTop = box.scrollHeight;
}

function step(by) {
	const rows = [...document.querySelectorAll(".row")], at = rows.indexOf($(".row:focus") || $(".row[aria-current]"));
	rows[Math.min(rows.length - 1, Math.max(0, at + by))]?.focus();
}

function cancel() {
	if (S.job && !final(S.job) && S.sure) act("cancel");
	S.sure = !S.sure;
	setTimeout(() => (S.sure = false, update()), 3000);
}

const DO = { j: () => step(1), k: () => step(-1), n: () => $("textarea").focus(), "/": () => $("[type=search]").focus(), f: () => S.job && bottom(), c: cancel, r: () => S.job && final(S.job) && act("retry"), R: () => S.job && again(), y: () => clip(S.job?.job_id), "?": () => $("dialog").showModal(), Escape: () => S.word && go({ word: "" }) };
addEventListener("keydown", (event) => {
	const { key, target } = event, typing = target.matches?.("input:not([type=checkbox]), textarea, select");
	if (typing && key === "Escape") target.blur();
	if (typing || event.ctrlKey || event.metaKey || event.altKey || S.locked || $("dialog[open]")) return;
	const work = S.job && TABS[key - 1] ? () => go({ tab: TABS[key - 1] }) : DO[key];
	if (work) update(event.preventDefault(), work());
});
begin(view);
