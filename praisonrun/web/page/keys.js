// The whole view, and the keys.
const KEYS = { "j k": "next, previous run", Enter: "show it", n: "new run", "/": "find", F: "find in the log", f: "follow the log", c: "cancel (twice)", r: "retry", R: "retry with changes", y: "copy the id", "1–6": "tabs", Esc: "back" };
const Lock = () => html`<main class="empty"><h1>This server wants its token</h1><p><code>praisonrun open</code> opens this page with it.</p>
	<form onSubmit=${instead((event) => start(keepToken(event.target[0].value.trim())))}><label>Token <input type="password" autocomplete="off" required /></label> <button class="main">Open</button></form></main>`;
const Help = () => html`<dialog aria-label="Keys">${table(Object.entries(KEYS).map(([key, words]) => [html`<kbd>${key}</kbd>`, words]))}<form method="dialog"><button class="main">Close</button></form></dialog>`;

function view() {
	const { job, stats: { running } } = S, colour = S.away || job?.status === "failed" ? "c33" : running ? "27c" : "2a6";
	set(document, "title", `${job ? `${GLYPH[job.status]} ${safe(job.title)} · ` : running ? `(${running}) ` : ""}praisonrun`);
	set($("#icon"), "href", `data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 8 8'><circle cx='4' cy='4' r='3' fill='%23${colour}'/></svg>`);
	render(S.locked ? html`<${Lock} />` : html`<${Top} /><${Filters} /><main class=${S.word && "one"}><${List} /><${Run} /></main><${Help} />`, document.body);
	stick();
}
/** Keep the end of the log in view. */
function stick() {
	const box = $(".log"), log = S.past || S.log;
	if (!box) return;
	if (log.follow) box.scrollTop = box.scrollHeight;
	log.height = box.scrollHeight;
}
const set = (on, name, value) => on[name] === value || (on[name] = value); // it costs the browser more than it seems
function step(by) {
	const rows = [...document.querySelectorAll(".row")], at = rows.indexOf($(".row:focus") || $(".row[aria-current]"));
	rows[Math.min(rows.length - 1, Math.max(0, at + by))]?.focus();
}
function cancel() {
	if (S.job && !final(S.job) && S.sure) act("cancel");
	S.sure = !S.sure;
	setTimeout(() => update({ sure: false }), 3000);
}
const DO = { j: () => step(1), k: () => step(-1), n: () => $("textarea").focus(), "/": () => $("[type=search]").focus(), F: () => $(".tools [type=search]")?.focus(), f: () => S.job && bottom(), c: cancel, r: () => S.job && (S.filters.mode ? restart() : final(S.job) && act("retry")), R: () => S.job && !S.filters.mode && again(), y: () => clip(S.job?.job_id), "?": () => $("dialog").showModal(), Escape: () => S.word && go({ word: "" }) };
addEventListener("keydown", (event) => {
	const { key, target } = event, typing = target.matches?.("input:not([type=checkbox]), textarea, select");
	if (typing && key === "Escape") target.blur();
	if (typing || event.ctrlKey || event.metaKey || event.altKey || S.locked || $("dialog[open]")) return;
	const work = S.job && TABS[key - 1] ? () => go({ tab: TABS[key - 1] }) : DO[key];
	if (work) update(event.preventDefault(), work());
});
begin();
