// The log of a run: at most MOST lines are in the page, however many there are. Nothing in it is HTML.
const MOST = 5000, BLOCK = 250, LONGEST = 10_000, FRAME = 8;
const OTHER = /\x1b(?:[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?|\[[0-?]*[ -/]*(?:[@-ln-~]|$)|(?![[\]PX^_])[ -/]*[0-~]?)/g;
const SGR = /\x1b\[([\d;:]*)m/, FONT = { 1: "bold", 2: "faint", 3: "italic", 4: "underline" };
const NOT = { 22: ["bold", "faint"], 23: ["italic"], 24: ["underline"], 39: ["c"], 49: ["b"] };
const ODD = /([\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff])/;
const escaped = (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`;
/** Show what cannot be seen, or turns text around, as \u202e. */
const safe = (text) => String(text ?? "").split(ODD).map((part, odd) => (odd % 2 ? escaped(part) : part)).join("");
const clock = ((form) => (ts) => form.format(new Date(ts)))(new Intl.DateTimeFormat([], { timeStyle: "medium", hour12: false }));
const make = (tag, has) => Object.assign(document.createElement(tag), has);
/** Change a look, such as {bold: true, c: "c1"}, as the numbers of a colour sequence say. */
function dress(look, numbers) {
	for (let n; (n = numbers.shift()) !== undefined; ) {
		const ground = (n < 90 ? n < 40 : n < 100) ? "c" : "b";
		if (!n) for (const name in look) delete look[name];
		else if (FONT[n]) look[FONT[n]] = true;
		else if (NOT[n]) for (const name of NOT[n]) delete look[name];
		else if (n === 38 || n === 48) look[ground] = numbers.shift() === 5 ? indexed(numbers.shift(), ground) : `rgb(${numbers.splice(0, 3)})`;
		else if ((n >= 30 && n < 48) || (n >= 90 && n < 108)) look[ground] = ground + (n % 10);
	}
}
function indexed(n, ground) {
	if (n < 16) return ground + (n % 8);
	const grey = n * 10 - 2312, part = (by) => [0, 95, 135, 175, 215, 255][Math.floor((n - 16) / by) % 6];
	return `rgb(${n > 231 ? [grey, grey, grey] : [36, 6, 1].map(part)})`;
}
function span(text, { c = "", b = "", ...fonts }) {
	const made = make("span", { className: [...Object.keys(fonts), c, b].join(" "), textContent: text });
	Object.assign(made.style, { color: c, backgroundColor: b }); // a class is no colour, and sets nothing
	return made;
}

/** Return an event's kind and text; no text for what is no part of the log. */
function told({ event, data }) {
	if (event === "log") return [data.stream, data.text];
	if (event === "message") return [event, data.delta ? data.text : `${data.text}\n`];
	if (event === "tool_call") return ["tool", `→ ${data.name || "tool"} ${JSON.stringify(data.input ?? data.output ?? "")}\n`];
	if (event !== "attempt") return [];
	const end = data.signal ? `signal ${data.signal}` : `exit ${data.exit_code}`;
	return ["mark", `attempt ${data.attempt} ${data.state === "start" ? `started, pid ${data.pid}` : `ended, ${end}`}\n`];
}

class Log {
	constructor(changed = () => {}) {
		Object.assign(this, { el: make("div", { className: "lines" }), changed, lines: 0, cut: [], waiting: [], queued: 0, follow: true, looks: { stdout: {}, stderr: {} } });
	}

	/** Take `most` lines of an event from `skip` on; `after` is the id of the one before. Returns how many. */
	add(event, after, skip = 0, most = Infinity) {
		const [kind, text] = told(event);
		if (!text) return 0;
		const parts = text.split("\n"), whole = parts.at(-1) === "";
		if (whole) parts.pop();
		parts.splice(skip + most);
		this.waiting.push({ kind, parts, whole, ts: event.ts, after, at: skip });
		this.queued += parts.length - skip;
		for (let first; (first = this.waiting[0]), this.queued - first.parts.length + first.at >= MOST; this.open = null) {
			while (this.el.firstChild) this.cutFirst();
			this.leave(first.after, first.at, first.parts.length - first.at);
			this.queued -= this.waiting.shift().parts.length - first.at;
		}
		this.frame ||= requestAnimationFrame(() => this.paint());
		return parts.length - skip;
	}
	leave(after, skip, n) {
		const last = this.cut.at(-1);
		if (last?.n + n <= BLOCK) last.n += n;
		else this.cut.push({ after, skip, n });
	}
	cutFirst() {
		const { after, skip, childElementCount } = this.el.firstChild;
		this.leave(after, skip, childElementCount);
		this.lines -= childElementCount;
		this.el.firstChild.remove();
	}
	paint() {
		const until = performance.now() + FRAME;
		for (let first; (first = this.waiting[0]) && performance.now() < until; ) {
			const { parts, whole } = first;
			for (let n = 0; n < 25 && first.at < parts.length; n++, first.at++, this.queued--) this.line(first, parts[first.at], whole || first.at < parts.length - 1);
			if (first.at >= parts.length) this.waiting.shift();
		}
		while (this.lines > MOST) this.cutFirst();
		this.frame = this.waiting.length && requestAnimationFrame(() => this.paint());
		this.changed();
	}
	line({ kind, after, ts, at }, text, whole) {
		if (this.open?.kind !== kind) {
			const el = make("div", { className: kind });
			el.dataset.t = clock(ts);
			this.open = { kind, el, raw: "", look: { ...this.looks[kind] } };
			const last = this.el.lastChild, full = !last || last.childElementCount >= BLOCK;
			(full ? this.el.appendChild(make("div", { after, skip: at })) : last).append(el);
			this.lines++;
		}
		const { open } = this;
		if (open.raw.length <= LONGEST) open.raw += text.slice(0, LONGEST + 1);
		const raw = open.raw.replace(/\r+$/, ""), begin = raw.lastIndexOf("\r") + 1; // a \r begins the line anew
		open.raw = open.raw.slice(begin);
		this.show(open, raw.slice(begin));
		if (whole) this.open = null;
	}
	show({ el, kind, look, raw }, text) {
		const now = { ...look }, found = text.replace(OTHER, "").split(SGR);
		el.replaceChildren();
		found.forEach((part, at) => {
			if (at % 2) return dress(now, part.split(/[;:]/).map(Number));
			const dressed = Object.keys(now).length;
			part.split(ODD).forEach((words, odd) => words && el.append(odd % 2 ? span(escaped(words), { odd }) : dressed ? span(words, now) : words));
		});
		if (raw.length > LONGEST) el.append(span("… the rest of this line is in the whole log", { odd: 1 }));
		if (this.looks[kind]) this.looks[kind] = now;
	}
	text = () => [...this.el.querySelectorAll(".lines > div > div")].map((el) => el.textContent);
}
