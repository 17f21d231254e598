// What is seen of one run: its head, its attempts, its figures, why it waits or failed, and the tabs.
const TABS = ["log", "events", "result", "files", "webhooks", "curl"];
const WHY = { timed_out: "Retry it, or give it a longer timeout.", lost: "Nothing is run again unasked: retry it.", spawn_failed: "praisonrun check says what is missing.", env_lost: "Run it again with its variables: they are never stored." };

function Timeline({ job }) {
	const parts = [];
	let last = Date.parse(job.created_at), now = 0; // the attempt that runs
	const add = (names, until, words) => {
		parts.push({ names, ms: Math.max(0, until - last), words: `${words} ${took(until - last)}` });
		last = Math.max(last, until);
	};
	for (const { state, attempt, ts, exit_code, signal } of S.attempts) {
		if (state === "start") add("waited", Date.parse(ts), parts.length ? "waited" : "queued");
		else add(exit_code === 0 ? "succeeded" : "failed", Date.parse(ts), `attempt ${attempt} ${signal ? `signal ${signal}` : `exit ${exit_code}`},`);
		now = state === "start" && attempt;
	}
	if (now || !final(job)) add(now ? job.status : "waited", end(job), now ? `attempt ${now},` : "queued");
	return html`<div class="timeline"><div>${parts.map(({ names, ms, words }) => html`<i class="fill ${names}" style=${{ flexGrow: ms + 1 }} title=${words} />`)}</div><small>${dots(when(job), ...parts.map(({ words }) => words))}</small></div>`;
}
function Figures({ job }) {
	const { percentage, steps_completed: done, steps_total: of } = job.progress, { usage, cpu_seconds: cpu, max_rss_bytes: memory } = S.result?.metrics || {};
	const found = Object.entries({ ...job.usage, ...usage }).map(([name, n]) => `${name.replaceAll("_", " ")} ${/cost|usd/.test(name) ? dollars(n) : amount(n)}`);
	if (cpu) found.push(`cpu ${took(cpu * 1000)}`, `memory ${bytes(memory)}`);
	return html`<div class="note">${job.status === "running" && far(job.progress) ? html`<progress max="100" value=${percentage} aria-label="Progress" /> ${safe(far(job.progress))} ${of && `(${done} of ${of})`} ` : ""}${safe(found.join(" · "))}</div>`;
}

function Lines() {
	const { past, job } = S, log = past || S.log, cut = sum(before(), "n");
	log.el.dataset.none = final(job) ? "It printed nothing." : "Nothing is printed yet.";
	const flag = (name, label) => html`<label><input type="checkbox" checked=${S[name]} onChange=${() => update({ [name]: !S[name] })} /> ${label}</label>`;
	// Where its height has changed, lines have moved it, and nobody scrolled.
	const scrolled = ({ target: { scrollHeight: height, scrollTop, clientHeight } }) => height === log.height && (log.follow = !past && height - scrollTop - clientHeight < 40);
	return html`<div class="tools">${flag("times", "times")}${flag("nowrap", "long lines")}${button(`${past ? "back to the end" : "follow"} (f)`, bottom, "quiet", { "aria-pressed": `${log.follow}` })}
		${cut > 0 && button(`${amount(cut)} earlier lines`, () => earlier(), "quiet")}<${Save} url=${`${RUNS}/${job.job_id}/logs`} name="log.txt" words="whole log" />
		${search("Find in these lines", "F", sought, find)}</div>
		<div class="log ${S.times && "times"} ${S.nowrap && "nowrap"}" tabindex="0" role="log" aria-label="Log" aria-live="off" onClick=${point} onScroll=${scrolled} onWheel=${({ deltaY }) => deltaY < 0 && (log.follow = false)} ref=${(box) => box && box.firstChild !== log.el && box.replaceChildren(log.el)} />`;
}
const bottom = () => update({ past: null }, (S.log.follow = true));
/** Show only lines with these words. */
function find(words) {
	sought = words.toLowerCase();
	for (const log of [S.log, S.past]) log?.el.querySelectorAll("p").forEach(sift);
	stick();
}
/** A click on a line makes the address lead to it. */
function point({ target }) {
	const line = target.closest(".lines p");
	if (!line || !getSelection().isCollapsed) return;
	$(".here")?.classList.remove("here");
	line.classList.add("here");
	history.replaceState(null, "", `#${(here = line.id)}`);
}
/** A download. A link sends no token, so with one the page asks for it. */
function Save({ url, name, words }) {
	const save = async () => make("a", { href: URL.createObjectURL(await (await call("GET", url)).blob()), download: name }).click();
	return html`<a href=${url} download=${name} onClick=${token() && instead(() => tried(save))}>${safe(words)}</a>`;
}

const VIEWS = {
	log: Lines,
	events: () => table(S.events.map(({ ts, event, data }) => [event, clock(ts), html`<code>${safe(data)}</code>`])),
	result: () => (S.result ? html`<div class="tools">${copy(text(S.result.result))}<${Save} url=${`${RUNS}/${S.job.job_id}/result`} name="result.json" words="whole result" /></div><pre class="scroll" tabindex="0">${safe(text(S.result.result).slice(0, 200_000))}</pre>` : note(final(S.job) ? "Its result cannot be read." : "There is no result before its end.")),
	files: () => (S.files.length ? table(S.files.map(({ path, url, size }) => [html`<${Save} url=${new URL(url).pathname} name=${path.split("/").pop()} words=${path} />`, bytes(size)])) : note("It left no files.")),
	webhooks: () => (S.hooks.length ? table(S.hooks.map(({ id, state, url, attempts }) => [state, safe(url), attempts.map(({ status, error }) => status || safe(error)).join(", "), button("Send again", () => act(`deliveries/${id}/replay`))])) : note("No webhook is owed.")),
	curl: () => {
		const path = `${RUNS}/${S.job.job_id}`, post = (path) => curl(path, "-X POST "), send = (path, data) => `${curl(path)} -H 'Content-Type: application/json' -d ${quoted(JSON.stringify(data))}`;
		const anew = S.filters.mode ? { restart: post(restarting()) } : { retry: post(`${path}/retry`), submit: send(RUNS, body(S.job)) };
		for (const { id, state, options } of S.asks) if (state === "open") anew[`answer ${id}`] = send(`${path}/answers/${id}`, { answer: options[0] || "" });
		return table(Object.entries({ status: curl(path), follow: curl(`${path}/stream`, "-N "), log: curl(`${path}/logs`), result: curl(`${path}/result`), cancel: post(`${path}/cancel`), ...anew }).map(([name, line]) => [name, html`<code>${safe(line)}</code>`, copy(line)]));
	},
};
/** What it asks now: a button for each answer, or a field where any text is one. */
const Asks = () => S.asks.filter(({ state }) => state === "open" && S.job.questions[0]).map(({ id, question, kind, options, default: usual, due_at }) => {
	const give = (answer) => act(`answers/${id}`, { answer }), choices = options.length || kind === "question" ? options : ["allow", "deny"];
	return html`<form key=${id} class="why queued" onSubmit=${instead((event) => give(event.target[0].value))}><pre>${safe(question)}</pre>
		<p class="tools">${choices.length ? choices.map((answer) => button(safe(answer), () => give(answer), "", { type: "button" })) : html`<input required aria-label="Answer" /><button class="main">Answer</button>`}<span>after ${clock(due_at)}: ${safe(usual ?? "denied")}</span></p></form>`;
});
const again = () => update({ draft: body(S.job) }, $("textarea").focus());

function Run() {
	const { job, gone } = S, { status, job_id: id, session_id } = job || {}, over = job && final(job), service = S.filters.mode, is = job && where(job), Tab = VIEWS[S.tab] || Lines, count = { files: S.files?.length, webhooks: S.hooks?.length };
	if (gone) return html`<section class="run"><div class="empty"><h2>This run is not here</h2><p>${safe(gone)}</p>${to({ word: "" }, "", "All runs")}</div></section>`;
	if (!job) return S.word ? html`<section class="run" />` : html`<${Overview} />`;
	const explain = () => clip(JSON.stringify({ ...job, attempts: S.attempts, last_lines: [...S.log.el.querySelectorAll("p")].slice(-50).map((el) => el.textContent) }, null, 1));
	return html`<section class="run" aria-label="Run"><div class="head">${to({ word: "" }, "back", "‹ runs")}<h2 class=${status}>${GLYPH[status]} ${status}</h2><b>${safe(job.agent)}</b>
		<span><code title=${id}>…${safe(id.slice(-6))}</code> ${copy(id)}</span><span>${lasted(job)}</span>${job.attempt > 1 && html`<span>attempt ${job.attempt}</span>`}${session_id && to({ session_id }, "", `session ${safe(session_id)}`)}
		<span class="acts">${service && button("Restart", restart, over ? "main" : "")} ${over ? !service && html`${button("Retry", DO.r, "main")} ${button("Retry with changes", again)}` : button(S.sure ? "Press c again" : service ? "Stop" : "Cancel", () => act("cancel"), "danger")} ${button("Explain", explain)}</span></div>
		${is && html`<div class="note ${is.status !== "ready" && "queued"}">${is.status}, port ${is.port} ${is.public_url ? html`<a href=${is.public_url} target="_blank" rel="noreferrer">${is.public_url}</a>` : safe(is.readiness_status.last_error)}</div>`}
		${job.prompt && html`<details class="prompt"><summary>${safe(job.title) || "prompt"}</summary><pre>${safe(job.prompt)}</pre></details>`}<${Timeline} job=${job} /><${Figures} job=${job} /><${Asks} />
		${status === "queued" ? html`<div class="why queued"><p>Waits: ${safe(job.queue_reason)}. ${S.position && `Number ${S.position} in its agent's queue. `}${job.due_at && `Next try in ${took(Date.parse(job.due_at) - Date.now())}.`}</p></div>` : job.error && html`<div class="why ${status}"><p><b>${safe(job.error)}</b> ${WHY[job.failure]}</p>${job.error_tail && html`<pre>${safe(job.error_tail)}</pre>`}</div>`}
		<div class="tabs" role="tablist">${TABS.map((name) => to({ tab: name }, "", `${name} ${count[name] || ""}`, { role: "tab", "aria-selected": S.tab === name ? "true" : "false" }))}</div><div class="pane" role="tabpanel" aria-label=${S.tab}><${Tab} /></div></section>`;
}
