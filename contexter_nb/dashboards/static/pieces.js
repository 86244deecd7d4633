// What the views in a browser are made of: elements, and the tie to the kernel. Every
// text is set as text, never as markup.

const ICONS = {
  back: "M10 3 5 8l5 5",
  forward: "M6 3l5 5-5 5",
  close: "M4 4l8 8M12 4l-8 8",
  pin: "M6 2.5h4L9.6 7 12 9v1.2H4V9l2.4-2zM8 10.2V14",
  code: "M5.5 4 2 8l3.5 4M10.5 4 14 8l-3.5 4",
  freeze: "M8 2v12M2.8 5l10.4 6M13.2 5 2.8 11",
  copy: "M5.5 5V2.5h8v8H11M2.5 5.5h8v8h-8z",
  alike: "M2 6.2c2-2.4 4-2.4 6 0s4 2.4 6 0M2 10.6c2-2.4 4-2.4 6 0s4 2.4 6 0",
};
const SVG = "http://www.w3.org/2000/svg";

function put(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (name === "on") {
      for (const [event, act] of Object.entries(value)) node.addEventListener(event, act);
    } else if (value !== false && value !== null && value !== undefined) {
      node.setAttribute(name, value === true ? "" : String(value));
    }
  }
  node.append(...children);
  return node;
}

const h = (tag, attributes, ...children) =>
  put(document.createElement(tag), attributes, children);
const s = (tag, attributes, ...children) =>
  put(document.createElementNS(SVG, tag), attributes, children);

const icon = (name) =>
  s("svg", { viewBox: "0 0 16 16", class: "cx-icon", "aria-hidden": "true" },
    s("path", { d: ICONS[name] }));

const number = (value) => Number(value).toLocaleString("en-US");

function button(name, label, act, text) {
  return h(
    "button",
    {
      type: "button",
      class: text ? "cx-button" : "cx-button cx-bare",
      title: label,
      "aria-label": text ? null : label,
      on: { click: act },
    },
    icon(name),
    ...(text ? [h("span", {}, text)] : []),
  );
}

// Runs of text: every second one is a word of the question.
const runs = (texts) =>
  texts.filter((text, at) => at % 2 || text).length
    ? texts.map((text, at) => (at % 2 ? h("mark", {}, text) : text))
    : [];

const webUrl = (url) => (/^https?:\/\//i.test(url) ? url : "");

// The grade of a key; also where digits need Shift, as on French keyboards.
function digit(event) {
  if (/^[0-3]$/.test(event.key)) return Number(event.key);
  const code = event.shiftKey ? null : /^Digit([0-3])$/.exec(event.code);
  return code ? Number(code[1]) : null;
}

async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Without a secure origin there is only the old way.
    const area = h("textarea", { "aria-hidden": "true", class: "cx-offscreen" });
    area.value = text;
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  }
}

// Keep the children of a container in the order of items, reusing those that are the
// same: what a person looks at or stands on does not move.
function keep(container, items, key, build) {
  const old = new Map([...container.children].map((node) => [node.dataset.key, node]));
  const active = document.activeElement;
  const held = active && container.contains(active)
    ? active.closest("[data-key]")?.dataset.key : null;
  const focus = held ? active.dataset.focus : null;
  let at = 0;
  for (const item of items) {
    const id = key(item);
    const made = JSON.stringify(item);
    let node = old.get(id);
    if (!node || node.dataset.made !== made) {
      const fresh = build(item, node);
      fresh.dataset.key = id;
      fresh.dataset.made = made;
      if (node) node.replaceWith(fresh);
      node = fresh;
    }
    old.delete(id);
    if (container.children[at] !== node) {
      container.insertBefore(node, container.children[at] || null);
    }
    at += 1;
  }
  for (const node of old.values()) node.remove();
  if (held && !container.contains(document.activeElement)) {
    const node = [...container.children].find((each) => each.dataset.key === held);
    const target = node && focus ? node.querySelector(`[data-focus="${focus}"]`) : node;
    (target || container.firstElementChild)?.focus({ preventScroll: true });
  }
}

const SUPPRESS = "data-lm-suppress-shortcuts";
const hasCommandKey = (event) => event.ctrlKey || event.metaKey;

// A view of a model: told what changed, it draws that once; what a person does, it
// sends. A subclass builds `this.root` and has `draw`, `warn` and `key`.
class LiveView {
  constructor(model, el, parts) {
    this.model = model;
    this.id = Math.random().toString(36).slice(2);
    this.turn = 0;
    this.pending = false;
    this.dirty = new Set(parts);
    this.begin();
    el.append(this.root);
    this.listeners = parts.map((part) => {
      const changed = () => this.change(part);
      model.on(`change:${part}`, changed);
      return [`change:${part}`, changed];
    });
    // Jupyter's one-key commands must not fire in here, where two d would delete the
    // cell; those with Ctrl or Cmd may. Some versions listen before this view does and
    // ask the element itself, others after it.
    this.guard = (event) => {
      if (!this.root.contains(event.target)) return;
      event.target.toggleAttribute(SUPPRESS, false);
      if (!hasCommandKey(event)) event.target.setAttribute(SUPPRESS, "true");
    };
    window.addEventListener("keydown", this.guard, true);
    this.root.addEventListener("keydown", (event) => {
      if (hasCommandKey(event)) return;
      event.stopPropagation();
      this.key(event);
    });
    this.send({ do: "hello" });
    this.draw();
  }

  leave() {
    clearTimeout(this.timer);
    clearTimeout(this.slow);
    window.removeEventListener("keydown", this.guard, true);
    for (const [event, act] of this.listeners) this.model.off(event, act);
    this.send({ do: "bye" });
  }

  send(message) {
    try {
      this.model.send({ view: this.id, ...message });
    } catch (error) {
      // Jupyter's word for a comm whose kernel was restarted.
      if (message.do === "bye") return;
      this.pending = false;
      this.warn("The kernel that answered is gone; run the cell again.");
    }
  }

  change(part) {
    const first = this.dirty.size === 0;
    this.dirty.add(part);
    if (first) queueMicrotask(() => this.draw());
  }

  // Open one of the panels below the bar and close the others; `this.panels` has them.
  toggle(opener, panel) {
    const open = panel.hidden;
    for (const [other, each] of this.panels) {
      each.hidden = !(open && each === panel);
      other.setAttribute("aria-expanded", String(!each.hidden));
    }
    opener.focus();
  }

  closePanel() {
    const open = this.panels.find(([, panel]) => !panel.hidden);
    if (open) this.toggle(...open);
    return Boolean(open);
  }

  keysPanel(keys) {
    return h(
      "div", { class: "cx-pop cx-help", role: "group", "aria-label": "Keys", hidden: true },
      h("dl", {}, ...keys.flatMap(([key, what]) => [
        h("dt", {}, h("kbd", {}, key)), h("dd", {}, what)])));
  }

  keysButton(panel) {
    const made = h("button", {
      type: "button", class: "cx-button cx-bare", title: "Keys", "aria-label": "Keys",
      "aria-expanded": "false", on: { click: () => this.toggle(made, panel()) },
    }, "?");
    return made;
  }
}
