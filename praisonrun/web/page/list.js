// What is seen of all runs: the top, the filters, the list, charts. Small pieces that every view is made of stand first.
const ALL = Object.fromEntries(["word", ...FILTERS].map((name) => [name, ""]));
const GLYPH = { queued: "◌", running: "◐", succeeded: "✓", failed: "✗", cancelled: "⊘" };
const $ = (query) => document.querySelector(query);
const clip = (text) => navigator.clipboard?.writeText(text);
const button = (words, onClick, names = "", more) => html`<button class=${names} onClick=${onClick} ...${more}>${words}</button>`;
const copy = (text) => button("copy", () => clip(text), "quiet");
const text = (value) => (typeof value === "string" ? value : JSON.stringify(value, null, 2) ?? "");
const amount = (n) => (n < 1e4 ? String(n) : n < 1e6 ? `${(n / 1e3).toFixed(1)}k` : `${(n / 1e6).toFixed(1)}M`);
const bytes = (n) => `${amount(n)}B`;
const dollars = (n) => `$${n.toFixed(2)}`;
const note = (words) => html`<p class="note">${words}</p>`;
const table = (rows, head) => html`<div class="scroll" tabindex="0" role="region" aria-label="Table"><table>${head && html`<thead><tr>${head.map((name) => html`<th scope="col">${name}</th>`)}</tr></thead>`}<tbody>${rows.map(([name, ...cells]) => html`<tr><th scope="row">${name}</th>${cells.map((cell) => html`<td>${cell}</td>`)}</tr>`)}</tbody></table></div>`;
const quoted = (words) => `'${words.replaceAll("'", "'\\''")}'`;
const curl = (path, more = "") => `curl ${more}${token() ? '-H "Authorization: Bearer $TOKEN" ' : ""}${quoted(location.origin + path)}`;
function took(ms) {
	const s = Math.max(0, ms / 1000), [unit, size, below, part] = s < 3600 ? ["min", 60, "s", 1] : s < 86400 ? ["h", 3600, "min", 60] : ["d", 86400, "h", 3600];
	return s < 60 ? `${s.toFixed(s < 10 ? 1 : 0)} s` : `${Math.floor(s / size)} ${unit} ${Math.floor((s % size) / part)} ${below}`;
}
const when = (run) => new Date(run.created_at).toLocaleString();
const end = (run) => (final(run) ? Date.parse(run.completed_at) : Date.now());
const lasted = (run) => took(end(run) - Date.parse(run.started_at || run.created_at));
const TOKENS = ["tokens_in", "tokens_out"], COST = ["cost_usd"];
/** Do some work instead of what the browser would do. */
const instead = (work) => (event) => (event.preventDefault(), work(event));
/** A link within the page. */
function to(changes, names, body, more) {
	const follow = instead(() => go(changes));
	return html`<a class=${names} href=${link(changes)} onClick=${(event) => event.metaKey || event.ctrlKey || event.shiftKey || follow(event)} ...${more}>${body}</a>`;
}
const dots = (...parts) => parts.filter(Boolean).join(" · ");
const search = (label, hint, value, change) => html`<input type="search" aria-label=${label} placeholder="find… (${hint})" value=${value} onInput=${(event) => change(event.target.value)} />`;
const current = (is) => ({ "aria-current": is ? "true" : null });
/** How far it is, if it says so. */
const far = ({ percentage: part, current_step: step }) => (part || step) && `${Math.round(part)} % ${step || ""}`;
/** What only a service has: where it is, and whether it answers. */
const where = ({ job_id, completed_at }) => (completed_at ? null : S.services[instance(job_id)]);

function Row({ run }) {
	const { status: is, port } = where(run) || {};
	const line = { queued: run.queue_reason, failed: run.error, running: run.questions[0] ? `asks: ${run.questions[0].question}` : is ? `${is}, port ${port}` : far(run.progress) }[run.status] || when(run);
	return to({ word: run.job_id }, "row", html`<span class="g ${run.status}" aria-hidden="true">${GLYPH[run.status]}</span><b>${safe(run.agent)}</b>
		<span class="title">${safe(run.title)}</span><time>${lasted(run)}</time><small>${run.status} · ${safe(line)}</small>`, current(run.job_id === S.job?.job_id));
}
const sum = (rows, ...names) => rows.reduce((n, row) => names.reduce((n, name) => n + (row[name] || 0), n), 0);
const ended = (rows) => `${amount(sum(rows, "finished"))} finished, ${amount(sum(rows, "failed"))} failed`;
const tokens = (rows) => `${amount(sum(rows, ...TOKENS))} tokens`, cost = (rows) => dollars(sum(rows, ...COST));
/** Bars of rows, each of the sum of what `of` names. What failed is the lower part; `told` says rows in words. */
function Bars({ rows, of = ["finished"], told = ended }) {
	const most = Math.max(...rows.map((row) => sum([row], ...of))) || 1, names = of[0] === "finished" ? "succeeded" : "running";
	const bar = (row, at, names, n) => html`<rect class="fill ${names}" x=${at * 5} y=${20 - (n / most) * 20} width="4" height=${(n / most) * 20}><title>${row.name || clock(row.hour)}: ${told([row])}</title></rect>`;
	return html`<span class="chart"><svg viewBox="0 0 ${rows.length * 5} 20" preserveAspectRatio="none" role="img" aria-label=${told(rows)}>${rows.map((row, at) => [bar(row, at, names, sum([row], ...of)), names === "succeeded" && bar(row, at, "failed", sum([row], "failed"))])}</svg>${told(rows)}</span>`;
}
/** What finished, and what it used, by day and by agent. */
function Overview() {
	const known = Object.fromEntries(S.days.map((day) => [day.name, day])), day = (n) => new Date(Date.now() - n * 864e5).toISOString().slice(0, 10);
	const days = [...Array(30).keys()].reverse().map(day).map((name) => known[name] || { name });
	const chart = (label, of, told) => html`<h3>${label}</h3><${Bars} rows=${days} of=${of} told=${told} />`;
	return html`<section class="run"><h2>30 days</h2>
		${chart("finished")}${chart("tokens", TOKENS, tokens)}${chart("cost", COST, cost)}
		<h2>24 hours</h2>${S.busy.length ? table(S.busy.map((row) => [to({ agent: row.agent }, "", safe(row.agent)), row.finished, row.failed, amount(row.tokens_in), amount(row.tokens_out), dollars(row.cost_usd)]), ["agent", "finished", "failed", "tokens in", "tokens out", "cost"]) : note("Nothing finished.")}</section>`;
}
const choice = (label, value, names, change, any) => html`<select aria-label=${label} value=${value} onChange=${(event) => change(event.target.value)}>${any && html`<option value="">${any}</option>`}${names.map((name) => html`<option value=${name}>${safe(name)}</option>`)}</select>`;
/** What is submitted of a draft, or was of a run. */
const body = ({ agent, prompt, session_id, cwd, timeout }) => Object.fromEntries(Object.entries({ agent, prompt, session_id, cwd, timeout: Number(timeout) }).filter(([, value]) => value));
const agents = (kind) => S.agents.filter(({ mode }) => mode === kind).map(({ name }) => name);

function Top() {
	const { draft, stats, hours } = S, keep = (name) => (event) => (draft[name] = event.target.value);
	const field = (name, label) => html`<label>${label}<input value=${draft[name] ?? ""} onInput=${keep(name)} /></label>`;
	const enter = (event) => event.key === "Enter" && !event.shiftKey && !event.isComposing && (event.preventDefault(), event.target.form.requestSubmit());
	return html`<header><h1>${to(ALL, "", "praisonrun")}</h1><span class=${S.away ? "failed" : "succeeded"}>● ${S.away ? "away" : "live"}</span>
		<span class="note">${stats.running || 0} running · ${stats.queued || 0} queued</span>${hours.length > 0 && html`<span class="chart">24 h <${Bars} rows=${hours} told=${(rows) => dots(ended(rows), sum(rows, ...TOKENS) && tokens(rows), sum(rows, ...COST) && cost(rows))} /></span>`}
		<form onSubmit=${instead(() => submit(body(draft)))}>${choice("Agent of a new run", draft.agent ?? S.usual, agents("run"), (name) => (draft.agent = name))}
			<textarea rows="1" required aria-label="Prompt" placeholder="prompt… (n)" value=${draft.prompt ?? ""} onInput=${keep("prompt")} onKeyDown=${enter} /><button class="main">Run</button>
			<details><summary>More</summary><div>${field("session_id", "Session")}${field("cwd", "Directory")}${field("timeout", "Timeout in seconds")}</div></details></form></header>
		<div aria-live="polite">${S.away ? html`<p class="band failed">The server is away for ${took(Date.now() - S.away)}. Runs continue without it; this page fills when it is back.</p>` : ""}
		${S.newer && html`<p class="band">The server is praisonrun ${safe(S.newer)} now. ${button("Reload", () => location.reload())}</p>`}
		${S.problems.map((problem) => html`<p class="band failed">${safe(problem)}</p>`)}
		${S.toast && html`<p class="band failed" role="alert">${safe(S.toast)} ${button("Close", () => update({ toast: "" }))}</p>`}</div>`;
}

function Filters() {
	const { status, agent, session_id, q, mode } = S.filters;
	return html`<nav aria-label="Filters">${["", ...Object.keys(GLYPH)].map((name) => to({ status: name }, "chip", html`${name || "all"} <b>${S.stats[name] || ""}</b>`, current(status === name)))}
		${to({ mode: mode ? "" : "service", word: "" }, "chip", "services", current(mode))}${choice("Agent", agent, S.agents.map(({ name }) => name), (name) => go({ agent: name }), "any agent")}
		${session_id && to({ session_id: "" }, "chip", `session ${safe(session_id)} ×`)}${search("Find", "/", q, (words) => go({ q: words }, "replaceState"))}
		${window.Notification && button("notify", notify, "chip", { "aria-pressed": `${!!S.notify}`, title: "Tells of ends while this tab is hidden" })}</nav>`;
}
function Empty() {
	if (!S.cursor) return null;
	if (S.filters.mode) return html`<div class="empty">${note(agents("service").length ? "No service matches, or none was started yet." : "No entry of agents.yaml has mode: service.")}</div>`;
	if (given().size) return html`<div class="empty"><p>No run matches.</p>${to(ALL, "", "Show all runs")}</div>`;
	return html`<div class="empty"><h2>No runs yet</h2><p>Write a prompt above, or try this:</p>${S.agents.length > 0 && button("Run the demo", () => submit({ prompt: "Hello from the page", agent: S.agents.find(({ name }) => name === "hello")?.name }), "main")}
		<p>Your own agent is three lines of <code>agents.yaml</code>:</p><pre>agents:\n  mine:\n    command: [my-program, --flag]</pre></div>`;
}

function List() {
	const runs = [...S.runs.values()].sort((a, b) => (a.created_at < b.created_at ? 1 : -1)).slice(0, S.page * PAGE), query = given();
	return html`<section class="list" aria-label="Runs">${S.filters.mode && agents("service").map((name) => button(`Start ${safe(name)}`, () => serve(name)))}${runs.length ? runs.map((run) => html`<${Row} key=${run.job_id} run=${run} />`) : html`<${Empty} />`}
		${S.total > runs.length && runs.length > 0 && button(`${S.total - runs.length} more`, () => list(S.page + 1))}
		<footer class="note">${copy(curl(`${RUNS}${query.size ? `?${query}` : ""}`))} this list as curl · ${button("keys (?)", DO["?"], "quiet")}</footer></section>`;
}
