// The search explorer in the browser, of the pieces that come before it: it shows what
// the model says and sends what a person does.

const DEBOUNCE_MS = 120;
const SLOW_MS = 1000;
const MAP = { width: 300, height: 210 };
const COLOURS = 6;
const STEPS = 14;
const USUAL_STEP = 4;
const FACETS = [["library", "Library"], ["kind", "Kind"], ["source", "Source"]];
const MODES = [
  ["hybrid", "Hybrid", "Meaning and words together"],
  ["dense", "Meaning", "Compare meanings only"],
  ["text", "Words", "Compare words only (BM25)"],
];
const LIMITS = [5, 10, 20, 50];
const KEYS = [
  ["/", "to the question"],
  ["↓ ↑", "from hit to hit"],
  ["Enter", "open or close a passage"],
  ["0 1 2 3", "grade the hit; the same again takes it back"],
  ["+  −", "the same as 1 and 0"],
  ["x", "add to the selection"],
  ["Esc", "cancel the search"],
];
const PARTS = ["setting", "status", "hits", "facets", "points", "marks", "cloud"];

class View extends LiveView {
  constructor(model, el) {
    super(model, el, PARTS);
  }

  begin() {
    this.committed = true;
    this.opened = new Set();
    this.want = structuredClone(this.model.get("setting"));
    this.build();
  }

  // Asking ------------------------------------------------------------------------

  ask(changes, typing = false) {
    clearTimeout(this.timer);
    Object.assign(this.want, changes);
    this.turn += 1;
    this.send({ do: "search", setting: this.want, typing, turn: this.turn });
    this.wait();
  }

  type() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      const typing = !this.committed;
      this.committed = false;
      this.ask({ query: this.query.value, similar_to: "" }, typing);
    }, DEBOUNCE_MS);
  }

  act(message) {
    this.turn += 1;
    this.send({ ...message, turn: this.turn });
    this.wait();
  }

  wait() {
    this.pending = true;
    this.since = performance.now();
    this.root.dataset.loading = "true";
    clearTimeout(this.slow);
    this.slow = setTimeout(() => this.tell(), SLOW_MS);
  }

  settle() {
    this.pending = false;
    delete this.root.dataset.loading;
    clearTimeout(this.slow);
  }

  cancel() {
    clearTimeout(this.timer);
    if (this.pending || this.model.get("status").phase === "loading") {
      this.turn += 1;
      this.send({ do: "cancel", turn: this.turn });
    }
  }

  // Building ----------------------------------------------------------------------

  build() {
    this.root = h("section", {
      class: "cx cx-explorer",
      "aria-label": "Search explorer",
    });
    this.progress = h("div", { class: "cx-progress", "aria-hidden": "true" });
    this.banner = h("div", { class: "cx-banner", role: "alert", hidden: true });
    this.status = h("span", { class: "cx-status", role: "status" });
    this.head = h("div", { class: "cx-heads" });
    this.panel = h("div", { class: "cx-blank", hidden: true });
    this.list = h("ol", { class: "cx-hits", "aria-label": "Hits" });
    this.others = h("ol", {
      class: "cx-hits cx-others", "aria-label": "Hits of the pinned setting", hidden: true,
    });
    this.results = h(
      "div", { class: "cx-results" }, this.banner, this.head,
      h("div", { class: "cx-lists" }, this.list, this.others), this.panel,
    );
    this.root.append(
      this.buildBar(), this.buildTuning(), this.progress, this.buildCode(), this.helpPanel,
      h("div", { class: "cx-body" },
        h("div", { class: "cx-rail" }, this.buildMap(), this.buildFacets()),
        this.results),
      h("div", { class: "cx-foot" }, this.status,
        h("span", { class: "cx-hint" }, "/ question · ↓ ↑ hits · Enter open · 0–3 judge · Esc cancel")),
    );
  }

  buildBar() {
    this.query = h("input", {
      type: "search",
      class: "cx-query",
      placeholder: "Ask the documentation",
      "aria-label": "Ask the documentation",
      autocomplete: "off",
      spellcheck: "false",
      maxlength: "10000",
      on: { input: () => this.type() },
    });
    this.stop = h("button", {
      type: "button", class: "cx-button cx-cancel", on: { click: () => this.cancel() },
    }, "Cancel");
    this.back = button("back", "Back", () => this.act({ do: "move", steps: -1 }));
    this.forward = button("forward", "Forward", () => this.act({ do: "move", steps: 1 }));
    this.pin = button("pin", "Pin this setting and compare others with it", () => {
      if (this.model.get("hits").pinned) this.send({ do: "unpin" });
      else this.send({ do: "pin" });
    }, "Compare");
    this.codeButton = button("code", "The cell that gives these hits", () => {
      this.toggle(this.codeButton, this.codePanel);
    }, "Code");
    this.freezeButton = button(
      "freeze", "Replace this view by a still picture", () => this.send({ do: "freeze" }), "Freeze");
    this.helpPanel = this.keysPanel(KEYS);
    this.helpButton = this.keysButton(() => this.helpPanel);
    this.codeButton.setAttribute("aria-expanded", "false");
    return h(
      "div", { class: "cx-bar" },
      h("div", { class: "cx-pair" }, this.back, this.forward),
      h("div", { class: "cx-ask" }, this.query, this.stop),
      h("div", { class: "cx-tools" }, this.pin, this.codeButton, this.freezeButton, this.helpButton),
    );
  }

  buildTuning() {
    this.modes = MODES.map(([value, label, title]) =>
      h("input", {
        type: "radio", name: `mode-${this.id}`, value, title,
        on: { change: () => this.ask({ mode: value, similar_to: "" }) },
      }));
    const modes = h(
      "div", { class: "cx-modes", role: "radiogroup", "aria-label": "How to search" },
      ...this.modes.map((input, at) =>
        h("label", { title: MODES[at][2] }, input, h("span", {}, MODES[at][1]))),
    );
    this.limit = h("select", {
      on: { change: () => this.ask({ limit: Number(this.limit.value) }) },
    });
    this.slider = h("input", {
      type: "range", min: "0", max: String(STEPS), step: "1",
      "aria-label": "Weight of meaning against words",
      on: {
        input: () => this.weigh(),
        change: () => this.ask({ step: Number(this.slider.value) }),
      },
    });
    this.weights = h("output", { class: "cx-weights" });
    this.balance = h(
      "div", { class: "cx-balance" }, h("span", {}, "words"), this.slider,
      h("span", {}, "meaning"), this.weights);
    this.rerankBox = h("input", {
      type: "checkbox", on: { change: () => this.ask({ rerank: this.rerankBox.checked }) },
    });
    this.rerank = h("label", { class: "cx-rerank", hidden: true }, this.rerankBox, "rerank");
    this.fixed = h("span", { class: "cx-fixed", hidden: true });
    return h(
      "div", { class: "cx-tuning" }, modes,
      h("label", { class: "cx-limit" }, this.limit, "hits"), this.balance, this.rerank, this.fixed);
  }

  buildCode() {
    this.code = h("pre", { class: "cx-code", tabindex: "0", "aria-label": "Code" });
    this.codePanel = h(
      "div", { class: "cx-pop", role: "group", "aria-label": "Code of this view", hidden: true },
      h("div", { class: "cx-pophead" }, h("span", {}, "The cell that gives these hits"),
        button("copy", "Copy the code", () => this.copy(this.code.textContent, "Code"), "Copy")),
      this.code);
    this.panels = [[this.codeButton, this.codePanel], [this.helpButton, this.helpPanel]];
    return this.codePanel;
  }

  buildMap() {
    this.cloud = s("g", { class: "cx-cloud" });
    this.links = s("g", { class: "cx-links" });
    this.dots = s("g", { class: "cx-dots" });
    this.map = s(
      "svg",
      { viewBox: `0 0 ${MAP.width} ${MAP.height}`, class: "cx-map", role: "img", "aria-label": "Map of the collection" },
      this.cloud, this.links, this.dots);
    this.tip = h("div", { class: "cx-tip", hidden: true });
    this.legend = h("span", {});
    this.asked = h("span", {}, "; ◆ the question");
    const frame = h("div", {
      class: "cx-mapframe",
      on: {
        pointermove: (event) => this.point(event),
        pointerleave: () => { this.tip.hidden = true; },
        click: (event) => this.strike(event),
      },
    }, this.map, this.tip);
    this.figure = h("figure", { class: "cx-figure" }, frame,
      h("figcaption", { class: "cx-legend" }, this.legend, this.asked));
    return this.figure;
  }

  buildFacets() {
    this.facets = new Map(FACETS.map(([column, label]) => {
      const rows = h("div", { class: "cx-rows" });
      const group = h("fieldset", { hidden: true }, h("legend", {}, label), rows);
      return [column, { group, rows }];
    }));
    this.clear = h("button", {
      type: "button", class: "cx-button cx-clear", hidden: true,
      on: { click: () => this.ask({ picks: {} }) },
    }, "Clear filters");
    return h("div", { class: "cx-facets" },
      ...[...this.facets.values()].map((each) => each.group), this.clear);
  }

  async copy(text, what) {
    this.tell((await copyText(text)) ? `${what} copied` : `${what} could not be copied`);
  }

  // Drawing -----------------------------------------------------------------------

  draw() {
    const parts = this.dirty;
    this.dirty = new Set();
    try {
      if (parts.has("status")) this.drawStatus();
      if (parts.has("setting") || parts.has("status")) this.drawSetting();
      if (parts.has("hits")) this.drawHits();
      if (parts.has("facets")) this.drawFacets();
      if (parts.has("cloud")) this.drawCloud();
      if (parts.has("points") || parts.has("hits") || parts.has("cloud")) this.drawPoints();
      this.drawMarks();
      this.drawPanel();
      this.tell();
    } catch (error) {
      this.warn(`The view could not be drawn: ${error}`);
    }
  }

  drawStatus() {
    const status = this.model.get("status");
    const answers = status.view !== this.id || status.turn >= this.turn;
    if (answers && status.phase !== "loading") this.settle();
    this.back.disabled = !status.back;
    this.forward.disabled = !status.forward;
    this.codeButton.disabled = !status.code;
    this.freezeButton.disabled = status.phase === "loading" && !status.code;
    this.code.textContent = status.code;
    if (!status.code && !this.codePanel.hidden) this.toggle(this.codeButton, this.codePanel);
    this.rerank.hidden = !status.can_rerank;
    const said = status.error || status.notice;
    if (said) this.warn(said, Boolean(status.error));
    else this.banner.hidden = true;
  }

  warn(text, again = false) {
    const retry = h("button", {
      type: "button", class: "cx-button", on: { click: () => this.act({ do: "again", setting: this.want }) },
    }, "Try again");
    this.banner.replaceChildren(h("span", {}, text), ...(again ? [retry] : []));
    this.banner.hidden = false;
  }

  drawSetting() {
    if (this.pending) return;
    const setting = this.model.get("setting");
    this.want = structuredClone(setting);
    if (this.query.value !== setting.query && !this.typingNow()) this.query.value = setting.query;
    const alike = Boolean(setting.similar_to);
    for (const input of this.modes) input.checked = !alike && input.value === setting.mode;
    const limits = [...new Set([...LIMITS, setting.limit])].sort((a, b) => a - b);
    this.limit.replaceChildren(...limits.map((each) => h("option", { value: each }, String(each))));
    this.limit.value = String(setting.limit);
    this.slider.value = String(setting.step);
    this.slider.disabled = alike || setting.mode !== "hybrid";
    this.balance.classList.toggle("cx-off", this.slider.disabled);
    this.rerankBox.checked = setting.rerank;
    this.fixed.hidden = !setting.fixed;
    this.fixed.textContent = setting.fixed ? `where ${setting.fixed}` : "";
    this.clear.hidden = !Object.keys(setting.picks).length;
    this.weigh();
  }

  typingNow() {
    return document.activeElement === this.query && Boolean(this.timer) && this.pending;
  }

  weigh() {
    const step = Number(this.slider.value);
    const text = `${((STEPS - step) / 10).toFixed(1)} : ${(step / 10).toFixed(1)}`;
    this.weights.textContent = text;
    this.slider.setAttribute("aria-valuetext",
      `words ${(STEPS - step) / 10}, meaning ${step / 10}${step === USUAL_STEP ? ", as usual" : ""}`);
  }

  drawHits() {
    const hits = this.model.get("hits");
    const comparing = Boolean(hits.pinned);
    this.root.classList.toggle("cx-comparing", comparing);
    this.pin.lastElementChild.textContent = comparing ? "Stop comparing" : "Compare";
    this.pin.setAttribute("aria-pressed", String(comparing));
    const head = (name, label) => h("div", {}, h("strong", {}, name), h("span", {}, label));
    this.head.replaceChildren(...(hits.of || hits.now.length
      ? [head(comparing ? "Now" : hits.of, hits.label),
        ...(comparing ? [head("Pinned", hits.pinned_label)] : [])] : []));
    keep(this.list, hits.now, (hit) => hit.id, (hit) => this.card(hit, false));
    this.others.hidden = !comparing;
    keep(this.others, hits.pinned || [], (hit) => hit.id, (hit) => this.card(hit, true));
    this.rove();
    if (this.shownFor !== hits.of) this.list.parentElement.scrollTop = 0;
    this.shownFor = hits.of;
  }

  card(hit, pinned) {
    const url = webUrl(hit.url);
    const title = url
      ? h("a", { href: url, target: "_blank", rel: "noopener noreferrer", "data-focus": "link" }, ...runs(hit.title))
      : h("span", {}, ...runs(hit.title));
    const version = `${hit.library} ${hit.version}`.trim();
    const name = hit.title.join("");
    const grades = h("span", { class: "cx-grades", role: "group", "aria-label": `Grade of ${name}` },
      ...GRADES.map((word, value) => h("button", {
        type: "button", class: `cx-grade cx-g${value}`, title: `${value}: ${word}`,
        "aria-label": `${value}, ${word}: ${name}`, "data-focus": `grade-${value}`,
        on: {
          click: (event) => {
            event.stopPropagation();
            this.judge(hit.id, value);
          },
        },
      }, String(value))));
    const alike = button("alike", `Passages like ${name}`, (event) => {
      event.stopPropagation();
      this.alike(hit.id, name);
    });
    const copy = button("copy", `Copy the passage of ${name}`, (event) => {
      event.stopPropagation();
      this.copy([hit.signature, hit.text.join("")].filter(Boolean).join("\n\n"), "Passage");
    });
    alike.dataset.focus = "alike";
    copy.dataset.focus = "copy";
    return h(
      "li",
      {
        class: "cx-card",
        tabindex: "-1",
        on: {
          click: (event) => this.pick(event, hit.id),
          pointerenter: () => this.glow(hit.id, true),
          pointerleave: () => this.glow(hit.id, false),
        },
      },
      h("div", { class: "cx-top" },
        h("span", { class: "cx-rank" }, String(hit.rank)),
        ...("was" in hit ? [this.move(hit, pinned)] : []),
        h("div", { class: "cx-title" }, title),
        h("div", { class: "cx-acts" },
          ...(pinned ? [] : [grades]), alike, copy)),
      h("div", { class: "cx-facts" },
        h("span", { class: "cx-swatch", "data-library": hit.library }),
        h("span", {}, [version, hit.kind, hit.also && `also ${hit.also}`].filter(Boolean).join(" · "))),
      ...(hit.signature ? [h("div", { class: "cx-signature" }, hit.signature)] : []),
      h("div", { class: "cx-text" }, ...runs(hit.text)),
      h("div", { class: "cx-scores" },
        this.bar("score", hit.score, hit.share),
        ...hit.parts.map(([part, rank, share]) =>
          this.bar(part, rank === null ? "–" : `#${number(rank)}`, share))),
    );
  }

  bar(name, value, share) {
    const fill = h("span", { class: "cx-fill" });
    fill.style.width = `${Math.round(share * 100)}%`;
    return h("span", { class: `cx-score cx-of-${name === "score" || name === "meaning" || name === "words" ? name : "other"}` },
      h("span", {}, name), h("span", { class: "cx-track", "aria-hidden": "true" }, fill), h("b", {}, value));
  }

  move(hit, pinned) {
    const up = hit.was !== null && hit.was > hit.rank;
    const same = hit.was === hit.rank;
    let text = "new";
    let said = "not among the pinned hits";
    if (pinned) {
      text = hit.was === null ? "gone" : `→ ${hit.was}`;
      said = hit.was === null ? "not among the hits now" : `now at rank ${hit.was}`;
    } else if (hit.was !== null) {
      text = same ? "=" : `${up ? "▲" : "▼"} ${Math.abs(hit.was - hit.rank)}`;
      said = same ? "at the same rank" : `${up ? "up" : "down"} from rank ${hit.was}`;
    }
    const tone = hit.was === null ? "new" : same ? "same" : pinned ? "same" : up ? "rise" : "fall";
    return h("span", { class: `cx-move cx-${tone}`, title: said }, text);
  }

  drawFacets() {
    const facets = this.model.get("facets");
    for (const [column, { group, rows }] of this.facets) {
      const values = facets[column] || [];
      group.hidden = values.length === 0 || (values.length === 1 && !values[0][2] && column === "source");
      keep(rows, values, ([value]) => value, ([value, count, ticked, colour], old) => {
        const box = h("input", {
          type: "checkbox", "data-focus": "box",
          on: { change: () => this.tick(column, value, box.checked) },
        });
        box.checked = ticked;
        const swatch = colour === null ? [] : [h("span", { class: `cx-swatch cx-c${Math.min(colour, COLOURS)}` })];
        return h("label", { class: "cx-row" }, box, ...swatch,
          h("span", { class: "cx-value", title: value }, value), h("span", { class: "cx-count" }, number(count)));
      });
    }
    this.tint();
  }

  tick(column, value, ticked) {
    const picks = { ...this.want.picks };
    const values = new Set(picks[column] || []);
    if (ticked) values.add(value);
    else values.delete(value);
    picks[column] = [...values];
    if (!values.size) delete picks[column];
    this.ask({ picks });
  }

  drawCloud() {
    const cloud = this.model.get("cloud");
    this.figure.hidden = !cloud.xy;
    this.cloud.replaceChildren();
    this.xy = null;
    if (!cloud.xy) return;
    const view = cloud.xy;
    this.xy = new Float32Array(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength));
    const paths = new Map();
    cloud.library.forEach((library, at) => {
      const colour = Math.min(library, COLOURS);
      const x = (this.xy[2 * at] * MAP.width).toFixed(1);
      const y = (this.xy[2 * at + 1] * MAP.height).toFixed(1);
      if (!paths.has(colour)) paths.set(colour, []);
      paths.get(colour).push(`M${x} ${y}h0`);
    });
    for (const [colour, points] of paths) {
      this.cloud.append(s("path", { d: points.join(""), class: `cx-c${colour}` }));
    }
    const shown = number(cloud.ids.length);
    const of = cloud.chunks > cloud.ids.length ? `${shown} of ${number(cloud.chunks)}` : shown;
    this.legend.textContent =
      `${of} passages on two main axes, ${Math.round(cloud.explained * 100)} % of variance`;
    this.tint();
  }

  tint() {
    const libraries = this.model.get("cloud").libraries || [];
    for (const swatch of this.root.querySelectorAll(".cx-swatch[data-library]")) {
      const at = libraries.indexOf(swatch.dataset.library);
      swatch.className = `cx-swatch cx-c${at < 0 ? COLOURS : Math.min(at, COLOURS)}`;
    }
  }

  drawPoints() {
    const points = this.model.get("points");
    const at = (place) => [place[0] * MAP.width, place[1] * MAP.height];
    const hits = this.model.get("hits").now.filter((hit) => points[hit.id]);
    const question = points[""] && at(points[""]);
    this.links.replaceChildren(...(question ? hits.map((hit) => {
      const [x, y] = at(points[hit.id]);
      return s("path", { d: `M${question[0]} ${question[1]}L${x} ${y}` });
    }) : []));
    const dots = [...hits].reverse().map((hit) => {
      const [x, y] = at(points[hit.id]);
      return s("g", { "data-id": hit.id, transform: `translate(${x} ${y})` },
        s("circle", { r: 7 }), s("text", { y: 3 }, String(hit.rank)));
    });
    if (question) {
      dots.push(s("path", {
        class: "cx-question", d: `M${question[0]} ${question[1] - 9}l9 9l-9 9l-9 -9z`,
      }));
    }
    this.dots.replaceChildren(...dots);
    this.asked.hidden = !question;
    this.map.setAttribute("aria-label",
      `Map of the collection with ${hits.length} hits${question ? " and the question" : ""}`);
    this.tint();
  }

  drawMarks() {
    const { selection, judged } = this.model.get("marks");
    const judging = this.model.get("status").can_judge;
    for (const card of this.list.children) {
      const id = card.dataset.key;
      const selected = selection.includes(id);
      card.classList.toggle("cx-selected", selected);
      if (selected) card.setAttribute("aria-current", "true");
      else card.removeAttribute("aria-current");
      card.classList.toggle("cx-open", this.opened.has(id));
      card.classList.toggle("cx-judged", id in judged);
      card.querySelectorAll(".cx-grade").forEach((each, value) => {
        each.setAttribute("aria-pressed", String(judged[id] === value));
        each.disabled = !judging;
      });
    }
    for (const dot of this.dots.querySelectorAll("[data-id]")) {
      dot.classList.toggle("cx-selected", selection.includes(dot.dataset.id));
    }
  }

  drawPanel() {
    const { phase } = this.model.get("status");
    const hits = this.model.get("hits");
    const say = (title, ...lines) => {
      this.panel.replaceChildren(h("strong", {}, title), ...lines);
      this.panel.hidden = false;
    };
    const code = (text) => h("code", {}, text);
    this.root.dataset.phase = phase;
    if (phase === "empty") {
      const look = h("button", {
        type: "button", class: "cx-button", on: { click: () => this.act({ do: "again", setting: this.want }) },
      }, "Look again");
      say("Nothing is indexed yet", h("p", {}, "Begin in a cell with ", code('nb.index("pandas")'), "; ",
        code("nb.libraries()"), " lists what else is here."), look);
    } else if (!hits.of && !hits.now.length && phase !== "failed") {
      say(phase === "loading" ? "Searching" : "Ask in your own words",
        h("p", {}, "A question, a task or a name: ", code("join two tables on a key"), ", ", code("read_csv"), "."));
    } else if (!hits.now.length && phase === "done") {
      const loosen = h("button", {
        type: "button", class: "cx-button", on: { click: () => this.ask({ picks: {} }) },
      }, "Clear filters");
      say("No hits", h("p", {}, "No passage meets the filters and the words. Loosen the filters, or ask in other words."),
        ...(Object.keys(this.want.picks).length ? [loosen] : []));
    } else {
      this.panel.hidden = true;
    }
  }

  tell(once) {
    clearTimeout(this.slow);
    if (once) {
      this.status.textContent = once;
      this.slow = setTimeout(() => this.tell(), 2000);
      return;
    }
    const status = this.model.get("status");
    const hits = this.model.get("hits");
    let text = "";
    if (this.pending) {
      const seconds = Math.floor((performance.now() - this.since) / 1000);
      this.slow = setTimeout(() => this.tell(), SLOW_MS);
      if (!seconds) return;
      text = `Searching for ${seconds} s. Esc or Cancel gives up.`;
    } else if (status.phase === "failed") {
      text = hits.of ? "The search failed; these are the hits from before." : "The search failed.";
    } else if (status.phase === "cancelled") {
      text = hits.of ? "Cancelled; these are the hits from before." : "Cancelled.";
    } else if (status.phase === "done") {
      const facts = [`${number(hits.now.length)} ${hits.now.length === 1 ? "hit" : "hits"}`, `${status.ms < 10 ? status.ms : number(Math.round(status.ms))} ms`];
      if (hits.pinned) facts.push(`${status.common} in both`);
      if (status.chunks) facts.push(`${number(status.chunks)} passages`);
      if (status.tokens) facts.push(`${number(status.tokens)} ${status.tokens === 1 ? "token" : "tokens"}`);
      if (status.usd) facts.push(`${status.usd.toFixed(6)} USD`);
      const chosen = this.model.get("marks").selection.length;
      if (chosen) facts.push(`${chosen} selected`);
      text = facts.join(" · ");
    } else if (status.chunks) {
      text = `${number(status.chunks)} passages`;
    }
    if (this.status.textContent !== text) this.status.textContent = text;
  }

  // Acting ------------------------------------------------------------------------

  judge(id, grade) {
    if (!this.model.get("status").can_judge) return;
    const same = this.model.get("marks").judged[id] === grade;
    this.send({ do: "judge", id, grade: same ? null : grade });
  }

  alike(id, title) {
    this.ask({ similar_to: id, similar_title: title });
  }

  pick(event, id) {
    if (event.target.closest("a, button")) return;
    if (String(window.getSelection())) return;
    const adding = event.ctrlKey || event.metaKey || event.shiftKey;
    this.send({ do: "select", id, adding });
    const card = event.currentTarget;
    if (card.parentElement === this.list) this.rove(card, true);
  }

  rove(card, focus = false) {
    const cards = [...this.list.children];
    const now = card || cards.find((each) => each.tabIndex === 0) || cards[0];
    for (const each of cards) each.tabIndex = each === now ? 0 : -1;
    if (focus && now) {
      now.focus({ preventScroll: true });
      now.scrollIntoView({ block: "nearest" });
    }
  }

  open(card) {
    const id = card.dataset.key;
    if (this.opened.has(id)) this.opened.delete(id);
    else this.opened.add(id);
    card.classList.toggle("cx-open", this.opened.has(id));
  }

  glow(id, on) {
    const dot = [...this.dots.children].find((each) => each.dataset.id === id);
    dot?.classList.toggle("cx-glow", on);
    if (on && dot) this.dots.insertBefore(dot, this.dots.querySelector(".cx-question"));
  }

  nearest(event) {
    if (!this.xy) return null;
    const box = this.map.getBoundingClientRect();
    const x = (event.clientX - box.left) / box.width;
    const y = (event.clientY - box.top) / box.height;
    let best = null;
    let least = (9 / box.width) ** 2;
    for (let at = 0; at < this.xy.length; at += 2) {
      const far = (this.xy[at] - x) ** 2 + ((this.xy[at + 1] - y) * (box.height / box.width)) ** 2;
      if (far < least) {
        least = far;
        best = at / 2;
      }
    }
    return best;
  }

  point(event) {
    const hit = event.target.closest?.("[data-id]");
    const cloud = this.model.get("cloud");
    const at = hit ? null : this.nearest(event);
    let text = "";
    if (hit) {
      const found = this.model.get("hits").now.find((each) => each.id === hit.dataset.id);
      text = found ? `${found.rank}. ${found.title.join("")}` : "";
    } else if (event.target.closest?.(".cx-question")) {
      text = "the question";
    } else if (at !== null) {
      text = `${cloud.titles[at]} · click for passages alike`;
    }
    this.tip.hidden = !text;
    this.tip.textContent = text;
    const box = this.map.getBoundingClientRect();
    this.tip.style.top = `${event.clientY - box.top + 14}px`;
    const side = (event.clientX - box.left) / box.width;
    this.tip.style.left = side < 0.5 ? `${8}px` : "auto";
    this.tip.style.right = side < 0.5 ? "auto" : `${8}px`;
  }

  strike(event) {
    const hit = event.target.closest?.("[data-id]");
    if (hit) {
      this.send({ do: "select", id: hit.dataset.id, adding: event.ctrlKey || event.metaKey });
      const card = [...this.list.children].find((each) => each.dataset.key === hit.dataset.id);
      if (card) this.rove(card, true);
      return;
    }
    const at = this.nearest(event);
    const cloud = this.model.get("cloud");
    if (at !== null) this.alike(cloud.ids[at], cloud.titles[at]);
  }

  key(event) {
    if (event.altKey) return;
    const inText = event.target === this.query;
    const card = event.target.closest?.(".cx-card");
    const ours = card && card.parentElement === this.list;
    if (event.key === "Escape") this.escape();
    else if (event.key === "/" && !inText) this.query.focus();
    else if (inText && event.key === "Enter") this.commit();
    else if (inText && event.key === "ArrowDown") this.rove(this.list.firstElementChild, true);
    else if (ours && this.cardKey(event, card)) ;
    else return;
    event.preventDefault();
  }

  escape() {
    if (!this.closePanel()) this.cancel();
  }

  commit() {
    this.committed = true;
    if (this.query.value !== this.model.get("setting").query || this.pending || this.want.similar_to) {
      this.ask({ query: this.query.value, similar_to: "" });
    }
  }

  cardKey(event, card) {
    const id = card.dataset.key;
    const cards = [...this.list.children];
    const at = cards.indexOf(card);
    const go = {
      ArrowDown: at + 1, j: at + 1, ArrowUp: at - 1, k: at - 1, Home: 0, End: cards.length - 1,
    }[event.key];
    if (go !== undefined) {
      if (go < 0) {
        this.query.focus();
        return true;
      }
      const next = cards[Math.min(go, cards.length - 1)];
      this.rove(next, true);
      this.send({ do: "select", id: next.dataset.key, adding: false });
      return true;
    }
    if (event.key === "Enter" && event.target === card) this.open(card);
    else if (event.repeat) return false;
    else if (digit(event) !== null) this.judge(id, digit(event));
    else if (event.key === "+" || event.key === "=") this.judge(id, 1);
    else if (event.key === "-") this.judge(id, 0);
    else if (event.key === "x") this.send({ do: "select", id, adding: true });
    else return false;
    return true;
  }
}

export default {
  render({ model, el }) {
    const view = new View(model, el);
    return () => view.leave();
  },
};
