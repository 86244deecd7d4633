// Judging in the browser, of the pieces that come before it: one passage of a pool at a
// time, its grade by a key or a button.

const SLOW_MS = 600;
// A passage that comes by itself (a write failed, another view went on) was not read yet
// when a key falls.
const SURPRISE_MS = 600;
// Then a key counts again: what was sent may be lost, and the same twice does no harm.
const PATIENCE_MS = 5000;
const LINE_PX = 60;
const KEYS = [
  ["0 1 2 3", "grade the passage and go on"],
  ["s  →", "skip it"],
  ["u  ←", "back to the one before, to change its grade"],
  ["Backspace", "take its grade back"],
  ["↓ ↑", "scroll the passage"],
  ["?", "these keys"],
];
const PARTS = ["passage", "progress"];

class View extends LiveView {
  constructor(model, el) {
    super(model, el, PARTS);
  }

  begin() {
    this.place = null;
    this.root = h("section", {
      class: "cx cx-explorer cx-judging", role: "group", "aria-label": "Judging",
      on: { click: (event) => this.enter(event) },
    });
    this.bar = h("div", {
      class: "cx-share", role: "progressbar", "aria-label": "Judged", "aria-valuemin": "0",
    }, h("span", { class: "cx-done" }), h("span", { class: "cx-left" }));
    this.banner = h("div", { class: "cx-banner", role: "alert", hidden: true });
    this.said = h("div", { class: "cx-said", role: "status" });
    this.root.append(
      this.buildHead(), this.bar, this.banner, this.buildDesk(), this.buildEnd(), this.said,
      h("div", { class: "cx-foot" }, this.last,
        h("span", { class: "cx-hint cx-outside" }, "Click here, or Tab in, to judge by keys"),
        h("span", { class: "cx-hint cx-inside" }, "0 1 2 3 grade · s → skip · u ← back")));
  }

  buildHead() {
    this.position = h("strong", { class: "cx-position" });
    this.tally = h("span", { class: "cx-tally" });
    this.helpPanel = this.keysPanel(KEYS);
    this.helpButton = this.keysButton(() => this.helpPanel);
    this.panels = [[this.helpButton, this.helpPanel]];
    this.last = h("span", { class: "cx-status" });
    return h("div", { class: "cx-head" }, this.position, this.tally,
      h("div", { class: "cx-tools" },
        button("freeze", "Replace this view by a still picture", () => this.send({ do: "freeze" }), "Freeze"),
        this.helpButton),
      this.helpPanel);
  }

  buildDesk() {
    this.fresh = h("span", { class: "cx-fresh", hidden: true }, "new question");
    this.question = h("span", {});
    this.asked = h("p", { class: "cx-asked" }, this.question, this.fresh);
    // Who cannot scroll a long one by the mouse must be able to stand on it.
    this.sizes = new ResizeObserver(() => {
      const cut = this.asked.scrollHeight > this.asked.clientHeight + 1;
      if (cut) this.asked.tabIndex = 0;
      else this.asked.removeAttribute("tabindex");
    });
    this.sizes.observe(this.asked);
    this.passage = h("article", { class: "cx-passage", tabindex: "0", "aria-label": "Passage" });
    this.choices = GRADES.map((word, grade) => h("button", {
      type: "button", class: `cx-button cx-choice cx-g${grade}`, on: { click: () => this.grade(grade) },
    }, h("kbd", {}, String(grade)), h("span", {}, word)));
    this.back = h("button", {
      type: "button", class: "cx-button", on: { click: () => this.goBack() },
    }, "← Back");
    this.undo = h("button", {
      type: "button", class: "cx-button", on: { click: () => this.takeBack() },
    }, "Take the grade back");
    this.skip = h("button", {
      type: "button", class: "cx-button", on: { click: () => this.goOn() },
    });
    this.desk = h("div", { class: "cx-desk" },
      this.asked,
      this.passage,
      h("div", { class: "cx-choices", role: "group", "aria-label": "How well it answers the question" },
        ...this.choices),
      h("div", { class: "cx-moves" }, this.back, this.undo, this.skip));
    return this.desk;
  }

  buildEnd() {
    this.endTitle = h("strong", { class: "cx-asked" });
    this.endText = h("p", {});
    this.endCounts = h("dl", { class: "cx-counts" });
    this.endBack = h("button", {
      type: "button", class: "cx-button", on: { click: () => this.goBack() },
    }, "← Back");
    this.again = h("button", {
      type: "button", class: "cx-button", on: { click: () => this.act({ do: "skipped" }) },
    });
    this.code = h("pre", { class: "cx-code", tabindex: "0", "aria-label": "Code" });
    this.end = h("div", { class: "cx-end", tabindex: "-1", role: "group", "aria-label": "The end of the pool", hidden: true },
      this.endTitle, this.endText, this.endCounts,
      h("div", { class: "cx-moves" }, this.endBack, this.again),
      h("div", { class: "cx-next" },
        h("div", { class: "cx-pophead" }, h("span", {}, "Next, in a cell: measure search settings by what was judged"),
          button("copy", "Copy the code", () => this.copy(), "Copy")),
        this.code));
    return this.end;
  }

  leave() {
    this.sizes.disconnect();
    clearTimeout(this.patience);
    super.leave();
  }

  async copy() {
    const done = await copyText(this.code.textContent);
    this.last.textContent = done ? "Code copied" : "The code could not be copied";
  }

  // Drawing -----------------------------------------------------------------------

  draw() {
    this.dirty = new Set();
    try {
      const passage = this.model.get("passage");
      const progress = this.model.get("progress");
      const own = progress.view === this.id;
      if (own && progress.turn >= this.turn) this.settle();
      const held = this.root.contains(document.activeElement);
      this.drawProgress(progress);
      this.desk.hidden = progress.over;
      this.end.hidden = !progress.over;
      this.root.toggleAttribute("data-over", progress.over);
      this.drawPassage(passage, progress);
      this.drawEnd(progress);
      this.drawNotice(progress.notice);
      const place = progress.over ? -1 : passage.place;
      if (this.place !== null && place !== this.place) {
        if (!own || progress.notice) this.startle();
        this.say(passage, progress);
      }
      this.place = place;
      if (held && !this.stands()) this.focusOn();
    } catch (error) {
      this.warn(`The view could not be drawn: ${error}`);
    }
  }

  startle() {
    clearTimeout(this.timer);
    this.root.toggleAttribute("data-deaf", true);
    this.timer = setTimeout(() => this.root.toggleAttribute("data-deaf", false), SURPRISE_MS);
  }

  // Whether what has the focus can still be seen.
  stands() {
    const active = document.activeElement;
    return this.root.contains(active) && active.getClientRects().length > 0 && !active.disabled;
  }

  focusOn() {
    (this.model.get("progress").over ? this.end : this.passage).focus({ preventScroll: true });
  }

  drawProgress(progress) {
    this.position.textContent = progress.position;
    this.tally.textContent = progress.of ? progress.tally : "";
    const share = (part) => `${progress.of ? (100 * part) / progress.of : 0}%`;
    this.bar.children[0].style.width = share(progress.judged);
    this.bar.children[1].style.width = share(progress.skipped);
    this.bar.setAttribute("aria-valuemax", String(Math.max(progress.of, 1)));
    this.bar.setAttribute("aria-valuenow", String(progress.of ? progress.judged : 1));
    this.bar.setAttribute("aria-valuetext", `${progress.tally} of ${progress.of}`);
    this.back.disabled = !progress.back;
    this.endBack.hidden = !progress.back;
    this.tell();
  }

  drawPassage(passage, progress) {
    if (progress.over) return;
    const { grade, was_skipped: passed, is_new: fresh, ...shown } = passage;
    const made = JSON.stringify(shown);
    if (this.made !== made) {
      this.made = made;
      this.question.textContent = passage.query;
      this.passage.replaceChildren(...this.parts(passage));
      this.passage.scrollTop = 0;
      this.asked.scrollTop = 0;
    }
    this.fresh.hidden = !fresh;
    this.choices.forEach((each, at) => each.setAttribute("aria-pressed", String(at === grade)));
    this.undo.hidden = grade === null;
    this.skip.textContent = grade === null && !passed ? "Skip →" : "Next →";
  }

  parts(passage) {
    const url = webUrl(passage.url);
    const title = url
      ? h("a", { href: url, target: "_blank", rel: "noopener noreferrer" }, ...runs(passage.title))
      : h("span", {}, ...runs(passage.title));
    const version = `${passage.library} ${passage.version}`.trim();
    return [
      h("div", { class: "cx-title" }, title),
      h("div", { class: "cx-facts" }, [version, passage.kind].filter(Boolean).join(" · ")),
      ...(passage.signature ? [h("div", { class: "cx-signature" }, passage.signature)] : []),
      h("div", { class: "cx-text" }, ...runs(passage.text)),
    ];
  }

  drawEnd(progress) {
    if (!progress.over) return;
    this.endTitle.textContent = progress.ending;
    this.endText.textContent = progress.of ? "" : progress.note;
    const rows = progress.of
      ? progress.counts.map((count, grade) => [`${grade}`, GRADES[grade], count]).reverse() : [];
    if (progress.skipped) rows.push(["–", "skipped", progress.skipped]);
    this.endCounts.replaceChildren(...rows.flatMap(([grade, word, count]) => [
      h("dt", {}, h("kbd", {}, grade), word), h("dd", {}, number(count))]));
    this.again.hidden = !progress.skipped;
    this.again.textContent = progress.skipped === 1
      ? "Go to the skipped one" : `Go through the ${number(progress.skipped)} skipped`;
    this.code.textContent = progress.code;
  }

  drawNotice(notice) {
    if (notice) this.warn(notice);
    else this.banner.hidden = true;
  }

  warn(text) {
    if (this.banner.textContent !== text) this.banner.replaceChildren(h("span", {}, text));
    this.banner.hidden = false;
  }

  // For those who hear it: where they are, and what came.
  say(passage, progress) {
    this.said.textContent = progress.over
      ? progress.ending
      : `${passage.is_new ? `New question: ${passage.query}. ` : ""}${passage.title.join("")}. ${progress.position}`;
  }

  tell() {
    clearTimeout(this.slow);
    const progress = this.model.get("progress");
    const text = progress.last && !progress.over && !progress.last.endsWith("back")
      ? `${progress.last} · u ← changes it` : progress.last;
    if (this.last.textContent !== text) this.last.textContent = text;
    if (!this.pending && !progress.writing) return;
    this.slow = setTimeout(() => {
      this.last.textContent = this.pending ? "Waiting for the kernel …" : "Writing the grade …";
    }, SLOW_MS);
  }

  // Acting ------------------------------------------------------------------------

  act(message) {
    // What is not in view yet cannot be judged: no key counts before the answer.
    if (this.pending) return;
    this.turn += 1;
    this.pending = true;
    this.patience = setTimeout(() => this.settle(), PATIENCE_MS);
    this.send({ ...message, turn: this.turn });
    this.tell();
  }

  settle() {
    clearTimeout(this.patience);
    this.pending = false;
  }

  get isOver() {
    return this.model.get("progress").over;
  }

  get isDeaf() {
    return this.root.hasAttribute("data-deaf");
  }

  grade(grade) {
    if (this.isOver || this.isDeaf) return;
    this.closePanel();
    this.act({ do: "grade", place: this.place, grade });
  }

  takeBack() {
    if (this.isOver || this.isDeaf || this.model.get("passage").grade === null) return;
    this.act({ do: "grade", place: this.place, grade: null });
  }

  goOn() {
    if (this.isOver || this.isDeaf) return;
    this.closePanel();
    this.act({ do: "skip", place: this.place });
  }

  goBack() {
    const { back, of, over } = this.model.get("progress");
    if (back) this.act({ do: "back", place: over ? of : this.place });
  }

  // A click anywhere brings the keys in here.
  enter(event) {
    if (event.target.closest("a, button, input, .cx-pop, .cx-code")) return;
    if (String(window.getSelection())) return;
    this.focusOn();
  }

  scroll(pixels) {
    this.passage.scrollBy({ top: pixels });
  }

  key(event) {
    if (event.altKey) return;
    const page = this.passage.clientHeight * 0.9;
    const scrolls = {
      ArrowDown: LINE_PX, ArrowUp: -LINE_PX, PageDown: page, PageUp: -page,
    }[event.key];
    const grade = digit(event);
    const does = {
      s: () => this.goOn(), ArrowRight: () => this.goOn(),
      u: () => this.goBack(), ArrowLeft: () => this.goBack(),
      Backspace: () => this.takeBack(), Delete: () => this.takeBack(),
      Escape: () => this.closePanel(), "?": () => this.toggle(this.helpButton, this.helpPanel),
    }[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    // Who stands on a long question scrolls that.
    if (scrolls !== undefined && event.target === this.asked) return;
    if (scrolls !== undefined && !this.isOver) this.scroll(scrolls);
    else if (grade === null && !does) return;
    // A key held down would judge what nobody has read.
    else if (!event.repeat) (does || (() => this.grade(grade)))();
    event.preventDefault();
  }
}

export default {
  render({ model, el }) {
    const view = new View(model, el);
    return () => view.leave();
  },
};
