// The entries that the platform's web application makes before it submits anything: sample data sets, sample pipelines,
// sample functions. Run once by the MongoDB image, when its database is empty. The playbooks themselves are the files of
// `fixtures/playbooks`, mounted at /fixtures.

const fs = require("fs");
const path = require("path");

const fixtures = process.env.FIXTURES || "/fixtures";
const ui = db.getSiblingDB("UIDB");

const documentsOf = (folder) =>
  fs
    .readdirSync(path.join(fixtures, folder))
    .filter((file) => file.endsWith(".json"))
    .sort()
    .map((file) => JSON.parse(fs.readFileSync(path.join(fixtures, folder, file), "utf8")));

// A data set can be selected once it has `features`, which the orchestrator sets at the end of its ingestion.
const ingestions = documentsOf("ingestions").filter((document) => !document.testing);
ui.datasets.insertMany(
  ingestions.map((document) => ({
    organization: document["database-id"],
    user: document.user,
    label: document["dataset-label"],
    ingestationId: document["ingestion-id"],
    ingestionDateTime: document["ingestion-datetime"],
    requestData: document.ingestion_json,
  })),
);

// The orchestrator only changes entries that are there: `status`, `visualization` and `performance` are its own.
const playbooks = documentsOf("playbooks");
ui.pipelines.insertMany(
  playbooks.map((playbook) => ({
    analysisid: playbook["analysis-id"],
    name: playbook["analysis-name"],
    databaseid: playbook["database-id"],
    jobs: playbook.jobs,
    metadata: playbook.metadata,
    nodes: [],
    connections: [],
  })),
);

// Functions are stored once and copied into playbooks without the members that only the drawing needs.
const functions = new Map();
for (const playbook of playbooks) {
  for (const job of playbook.jobs.filter((job) => job.title === "function" && job.function.name)) {
    functions.set(job.function.name, { organization: playbook["database-id"], ...job.function });
  }
}
ui.functions.insertMany(
  [...functions.values()].map((stored) => ({ ...stored, nodes: [], connections: [], metadata: {} })),
);

print(`samples: ${ingestions.length} data sets, ${playbooks.length} pipelines, ${functions.size} functions`);
