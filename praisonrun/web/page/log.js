// The log of a run: at most MOST lines are in the page, however many there are. Nothing in it is HTML.
const MOST = 5000, BLOCK = 50, WIDE = 16_000, STEP = 250, LONGEST = 10_000, FRAME = 6;
let sought = "", here = ""; // what lines must have to be shown; the line that the address names
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
/** Hide a line that has not what is sought, and a block of which nothing is shown. */
const sift = (el) => (el.hidden = !el.textContent.toLowerCase().includes(sought), el.parentNode.hidden = !el.parentNode.querySelector("p:not([hidden])"));

class Log {
	el = make("div", { className: "lines" });
	n = 0; cut = []; waiting = []; queued = 0; follow = true; looks = { stdout: {}, stderr: {} };

	/** Take `most` lines of an event from the one `at` on; `after` is the id of the event before. Returns how many. */
	add(event, after, at = 0, most = Infinity) {
		const [kind, text] = told(event), parts = text?.split("\n") || [], whole = parts.at(-1) === "";
		if (whole) parts.pop();
		parts.splice(at + most);
		const n = parts.length - at;
		if (n <= 0) return 0;
		this.waiting.push({ kind, parts, whole, time: clock(event.ts), after, at });
		this.queued += n;
		this.frame ||= requestAnimationFrame(this.paint);
		return n;
	}

	/** Remove what no longer fits, then make lines: as many as a frame has time for. Only what is in view is laid out. */
	paint = () => {
		const until = performance.now() + FRAME, { waiting } = this, time = () => performance.now() < until;
		while (this.n + this.queued > MOST && time()) this.leave(this.el.firstChild, waiting[0]);
		while (waiting.length && time()) this.line(waiting[0]);
		this.frame = waiting.length && requestAnimationFrame(this.paint);
		stick();
	};
	/** Leave out the first lines: a block of them, or some that were never made. */
	leave(block, first) {
		const { after, at } = block || first, n = block?.n || Math.min(this.queued - MOST, first.parts.length - at, STEP), last = this.cut.at(-1);
		if (last?.n + n <= STEP) last.n += n;
		else this.cut.push({ after, at, n });
		if (!block) return this.take(first, n);
		this.n -= block.childElementCount;
		block.remove();
		if (!this.el.firstChild) this.open = null;
	}
	take(first, n) {
		first.at += n;
		this.queued -= n;
		if (first.at === first.parts.length) this.waiting.shift();
	}
	line(first) {
		const { kind, parts, whole, after, at, time } = first, text = parts[at], id = `${after}.${at}`;
		this.take(first, 1);
		if (this.open?.kind !== kind) {
			const { lastChild: last } = this.el, full = !last || last.n >= BLOCK || last.size > WIDE;
			const block = full ? this.el.appendChild(make("div", { after, at, n: 0, size: 0 })) : last;
			const el = block.appendChild(make("p", { className: id === here ? `${kind} here` : kind, id }));
			el.dataset.t = time;
			this.open = { kind, el, block, raw: "", look: { ...this.looks[kind] } };
			this.n++;
		}
		const { open } = this;
		open.block.n++;
		open.block.size += text.length;
		if (open.raw.length <= LONGEST) open.raw += text.slice(0, LONGEST + 1);
		const raw = open.raw.replace(/\r+$/, ""), begin = raw.lastIndexOf("\r") + 1; // a \r begins the line anew
		open.raw = open.raw.slice(begin);
		this.show(open, raw.slice(begin));
		if (sought) sift(open.el);
		if (whole || at < parts.length - 1) this.open = null;
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
}
