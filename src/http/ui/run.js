// One run: its drawing and its table, live, and a drawer about the chosen job.

import { get, live, post } from "./api.js";
import { Graph } from "./graph.js";
import { bar, ENDED, failure, make, span, state, STATES, table, when } from "./parts.js";

export async function runPage(main, kind, id, query, signal) {
  const path = `/api/v1/${kind}/${encodeURIComponent(id)}`;
  const run = query.get("run") ? `?run=${query.get("run")}` : "";
  const view = await get(`${path}/view${run}`, signal);
  if (signal.aborted) return;
  new Run(main, path, run, view, signal).follow(query.get("as") === "table");
}

class Run {
  constructor(main, path, run, view, signal) {
    Object.assign(this, { path, run, view, signal, chosen: null, changed: true });
    this.runState = view.state;
    this.head = make("div", { class: "row" });
    this.says = make("div");
    this.canvas = make("canvas", { role: "img", tabindex: "0", "aria-label": "The jobs of this run; the table says the same" });
    this.graph = new Graph(this.canvas, (index) => this.choose(index));
    this.drawing = make("div", { class: "graph" }, this.canvas);
    this.list = make("div", { class: "graph", hidden: true });
    this.list.style.overflow = "auto";
    this.drawer = make("aside", { class: "drawer", "aria-label": "Job" });
    this.search = make("input", { type: "search", placeholder: "Find a step ( / )", "aria-label": "Find a step", size: "14" });
    this.search.addEventListener("input", () => this.find(this.search.value.trim().toLowerCase()));
    this.switch = make("button", { onclick: () => this.asTable(this.list.hidden) }, "Table");
    main.replaceChildren(this.head, make("div", { class: "row" }, this.search, make("button", { onclick: () => this.graph.fit() }, "Fit (f)"),
      make("button", { onclick: () => this.nextFailure() }, "Next failure (n)"), this.switch), this.says, make("div", { class: "panes" }, this.drawing, this.list, this.drawer));
    addEventListener("keydown", (event) => this.key(event), { signal });
    this.graph.show(view);
    this.choose(null);
  }

  asTable(yes) {
    this.list.hidden = !yes;
    this.drawing.hidden = yes;
    this.switch.textContent = yes ? "Drawing" : "Table";
    this.changed = true;
    if (!yes) this.graph.fit();
  }

  key(event) {
    if (event.target.matches("input, textarea, select")) return;
    if (event.key === "f") this.graph.fit();
    else if (event.key === "n") this.nextFailure();
    else if (event.key === "/") { event.preventDefault(); this.search.focus(); }
  }

  find(text) {
    const found = text && this.view.nodes.find((node) => node.step.toLowerCase().startsWith(text) || node.title.includes(text));
    if (found) this.choose(found.index, true);
  }

  nextFailure() {
    const failed = this.view.nodes.filter((node) => node.state === "failed");
    if (!failed.length) return;
    this.choose((failed.find((node) => node.index > (this.chosen ?? -1)) ?? failed[0]).index, true);
  }

  async follow(asTable) {
    this.asTable(asTable);
    const sign = document.getElementById("live");
    // at most ten pictures a second, however much happens
    const timer = setInterval(() => this.redraw(), 100);
    this.signal.addEventListener("abort", () => clearInterval(timer));
    try {
      await live(`${this.path}/events${this.run}`, this.view.event, {
        event: (event) => this.take(event),
        connected: () => (sign.textContent = "● live"),
        lost: () => (sign.textContent = "○ the connection is lost, trying again"),
      }, this.signal);
      if (!this.signal.aborted) sign.textContent = "";
    } catch (error) {
      this.says.replaceChildren(failure(error));
    }
  }

  take(event) {
    this.changed = true;
    this.runState = event["run-state"] ?? this.runState;
    if (event.event === "snapshot") {
      for (const node of event.nodes) Object.assign(this.view.nodes[node.index], node);
      return;
    }
    const node = this.view.nodes[event.index];
    if (!node) return;
    const before = node.state;
    node.state = event.state ?? node.state;
    node.attempt = event.attempt ?? node.attempt;
    if (node.state === "starting") node["started-at"] ??= event.at;
    if (ENDED.has(node.state) && !ENDED.has(before)) {
      node["finished-at"] = event.at;
      for (const edge of this.view.edges) if (edge.from === node.index) this.view.nodes[edge.to]["inputs-arrived"] += 1;
    }
    // what the chosen job waits for is told with what its predecessors do
    const feeds = this.view.edges.some((edge) => edge.from === event.index && edge.to === this.chosen);
    if (this.chosen === event.index || feeds) this.choose(this.chosen);
  }

  redraw() {
    if (!this.changed) return;
    this.changed = false;
    const counts = {};
    for (const node of this.view.nodes) counts[node.state] = (counts[node.state] ?? 0) + 1;
    const said = STATES.filter((word) => counts[word]).map((word) => `${counts[word]} ${word}`).join(", ");
    const view = this.view;
    const verb = (name, possible) => make("button", { disabled: !possible, onclick: () => this.ask(name) }, name);
    const over = ENDED.has(this.runState);
    this.head.replaceChildren(make("h1", {}, view["analysis-id"] ?? view["ingestion-id"]), state(this.runState), bar(counts), make("span", {}, said),
      make("span", { class: "quiet" }, `run ${view.run}, tenant ${view.tenant}, ${when(view["accepted-at"])}`), make("span", { class: "grow" }),
      verb("pause", !over && this.runState !== "paused"), verb("resume", this.runState === "paused"), verb("cancel", !over), verb("rerun", over && this.runState !== "succeeded"));
    if (this.list.hidden) this.graph.redraw();
    else this.list.replaceChildren(table(["Step", "Job", "State", "Inputs", "Try", "Took"], view.nodes.map((node) => [
      make("button", { onclick: () => this.choose(node.index) }, node.step), node.title, state(node.state), `${node["inputs-arrived"]} of ${node.inputs}`, String(node.attempt || ""),
      node["started-at"] && node["finished-at"] ? span(node["finished-at"] - node["started-at"]) : ""]), "Jobs"));
  }

  async ask(name) {
    this.says.replaceChildren();
    try {
      const answer = await post(`${this.path}/${name}${this.run}`);
      if (name === "rerun") location.hash = `${location.hash.split("?")[0]}?run=${answer.run}`;
    } catch (error) {
      this.says.replaceChildren(failure(error));
    }
  }

  async choose(index, look = false) {
    this.chosen = index;
    this.graph.choose(index, look);
    const node = this.view.nodes[index];
    if (!node) {
      this.drawer.replaceChildren(make("p", { class: "quiet" }, "Choose a job to see what it waits for, what it made and why it failed."));
      return;
    }
    const ask = (path) => get(`${this.path}/jobs/${encodeURIComponent(node.step)}${path}${this.run}`, this.signal).catch(() => null);
    const [known, asked] = await Promise.all([ask(""), ENDED.has(node.state) ? null : ask("/why")]);
    const job = known ?? {};
    if (this.chosen !== index || this.signal.aborted) return;
    const waits = asked?.["waits-for"] ?? [];
    const missing = waits.flatMap((one) => one.missing ?? []).map((one) => this.view.nodes.find((other) => other.step === one.step)).filter(Boolean);
    const facts = [["State", state(node.state)], ["Job", node.title], ["Id", job.id], ["Try", node.attempt || null], ["Inputs", `${node["inputs-arrived"]} of ${node.inputs}`],
      ["Started", when(node["started-at"])], ["Took", node["started-at"] && node["finished-at"] ? span(node["finished-at"] - node["started-at"]) : null],
      ["Output", job.output], ["Charts", job.charts?.join(", ")]].filter(([, value]) => value);
    this.drawer.replaceChildren(make("h1", {}, `Step ${node.step}`), make("dl", {}, ...facts.flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value instanceof Node ? value : String(value))])),
      ...(job.failure ? [make("h2", {}, "Why it failed"), make("p", { class: "error" }, job.failure.message)] : []),
      ...(waits.length ? [make("h2", {}, "Waits for"), make("ul", {}, ...waits.map((one) => make("li", {}, one.says)))] : []),
      ...(missing.length ? [make("div", { class: "row" }, ...missing.map((from) => make("button", { onclick: () => this.choose(from.index, true) }, `step ${from.step}`)))] : []));
  }
}
