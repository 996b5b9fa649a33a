// Which page is shown: the address says it.

import { get, post, setToken, takeToken, Refused } from "./api.js";
import { runPage } from "./run.js";
import { failure, make, span, state, table, when } from "./parts.js";

const main = document.getElementById("main");
let leaving = new AbortController();

async function show() {
  leaving.abort();
  leaving = new AbortController();
  const { signal } = leaving;
  const [path, query] = (location.hash.slice(1) || "/runs").split("?");
  const parts = path.split("/").filter(Boolean).map(decodeURIComponent);
  document.getElementById("live").textContent = "";
  for (const link of document.querySelectorAll("nav a")) {
    if (link.getAttribute("href") === `#/${parts[0]}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  try {
    if (parts[0] === "tenants") await tenants(signal);
    else if (parts[0] === "validate") validate();
    else if (parts[0] === "runs" && parts.length === 3) await runPage(main, parts[1], parts[2], new URLSearchParams(query), signal);
    else await runs(new URLSearchParams(query), signal);
  } catch (error) {
    if (signal.aborted) return;
    if (error instanceof Refused && error.status === 401) askForToken();
    else main.replaceChildren(make("h1", {}, "This page cannot be shown"), failure(error));
  }
}

function askForToken() {
  const token = make("input", { type: "password", id: "token", autocomplete: "off", required: true });
  const form = make("form", { class: "token" }, make("h1", {}, "Token"),
    make("label", { for: "token" }, "The token that you submit with. It stays in this tab."), token, make("button", {}, "Use it"));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    setToken(token.value);
    show();
  });
  main.replaceChildren(form);
  token.focus();
}

async function runs(query, signal) {
  const kind = query.get("kind") === "ingestions" ? "ingestions" : "analyses";
  const set = (name, value) => {
    const changed = new URLSearchParams(query);
    changed.delete("cursor");
    value ? changed.set(name, value) : changed.delete(name);
    location.hash = `#/runs?${changed}`;
  };
  const choice = (name, label, values) => make("label", {}, `${label} `, make("select", { onchange: (event) => set(name, event.target.value) },
    ...values.map(([value, text]) => make("option", { value, selected: (query.get(name) ?? "") === value }, text))));
  const words = ["queued", "running", "paused", "succeeded", "failed", "cancelled", "stopped"];
  const tenant = make("input", { placeholder: "any tenant", "aria-label": "Tenant", value: query.get("tenant") ?? "", size: "14", onchange: (event) => set("tenant", event.target.value.trim()) });
  const list = make("div");
  const more = make("div", { class: "row" });
  main.replaceChildren(make("div", { class: "row" }, make("h1", {}, "Runs"), choice("kind", "Kind", [["", "analyses"], ["ingestions", "ingestions"]]),
    choice("state", "State", [["", "any"], ...words.map((word) => [word, word])]), tenant), list, more);
  const asked = new URLSearchParams();
  for (const name of ["state", "tenant", "cursor"]) if (query.get(name)) asked.set(name, query.get(name));
  for (;;) {
    const page = await get(`/api/v1/${kind}?${asked}`, signal);
    if (signal.aborted) return;
    const row = (run) => {
      const id = run["analysis-id"] ?? run["ingestion-id"];
      const link = make("a", { href: `#/runs/${kind}/${encodeURIComponent(id)}?run=${run.run}` }, id);
      const age = run["finished-at"] ?? Date.now();
      return [state(run.state), link, String(run.run), run.tenant, when(run["accepted-at"]), span(age - run["accepted-at"]), run.cause?.failure?.message ?? run.cause ?? ""];
    };
    list.replaceChildren(page.items.length ? table(["State", "Id", "Run", "Tenant", "Accepted", "Duration", "Cause"], page.items.map(row), "Runs")
      : make("p", { class: "quiet" }, "There is no such run. ", make("code", {}, "orchestrator submit FILE"), " makes one."));
    more.replaceChildren(...(page["next-cursor"] ? [make("button", { onclick: () => {
      const changed = new URLSearchParams(query);
      changed.set("cursor", page["next-cursor"]);
      location.hash = `#/runs?${changed}`;
    } }, "Older runs")] : []));
    await new Promise((resolve) => setTimeout(resolve, 2000));
    if (signal.aborted) return;
  }
}

async function tenants(signal) {
  const share = ({ used, most }) => (most == null ? String(used) : `${used} of ${most}`);
  while (!signal.aborted) {
    const usage = await get("/api/v1/tenants", signal);
    if (signal.aborted) return;
    const rows = usage.items.map((item) => [item.tenant, share(item.running), String(item.queued.waiting), share(item["in-flight"]), share(item.open),
      span(item["oldest-wait-ms"]), share(item["stored-bytes"])]);
    main.replaceChildren(make("div", { class: "row" }, make("h1", {}, "Tenants")),
      rows.length ? table(["Tenant", "Running", "Queued", "Jobs in flight", "Open", "Oldest wait", "Stored bytes"], rows, "Tenants")
        : make("p", { class: "quiet" }, "Nobody has anything open."));
    await new Promise((resolve) => setTimeout(resolve, 2000));
  }
}

function validate() {
  const text = make("textarea", { id: "playbook", spellcheck: "false", placeholder: "{ \"analysis-id\": … }" });
  const said = make("div", { role: "status" });
  const check = make("button", { onclick: async () => {
    try {
      const report = await post("/api/v1/validate", text.value);
      const findings = [...(report.problems ?? []).map((one) => ["problem", one]), ...(report.warnings ?? []).map((one) => ["warning", one]), ...(report.advice ?? []).map((one) => ["advice", one])];
      said.replaceChildren(make("h2", {}, report.valid ? `Valid: ${report.jobs} jobs, ${report.edges} edges` : `${report["problem-count"]} problems`),
        ...(findings.length ? [table(["", "Where", "What", "Try"], findings.map(([kind, one]) => [kind, one.at, one.reason, one.hint]), "Findings")] : []));
    } catch (error) {
      said.replaceChildren(failure(error));
    }
  } }, "Check");
  main.replaceChildren(make("div", { class: "row" }, make("h1", {}, "Validate")), make("label", { for: "playbook" }, "A playbook. Nothing runs."), text, make("div", { class: "row" }, check), said);
}

takeToken();
addEventListener("hashchange", show);
show();
