// What is here, a way into the viewer, and a way to store files.
const FIELDS = ["00080020", "00100010", "00100020", "00081030", "00080061", "00201208"];
const root = document.querySelector.bind(document);

function shown(study, tag) {
  const values = study[tag]?.Value ?? [];
  return values.map((value) => value?.Alphabetic ?? value).join(", ").replaceAll("^", " ");
}

function row(study, viewer) {
  const line = document.createElement("tr");
  for (const tag of FIELDS) {
    const cell = line.insertCell();
    const text = shown(study, tag) || "–";
    if (tag === "00100010" && viewer) {
      const link = cell.appendChild(document.createElement("a"));
      link.href = `/viewer/viewer?StudyInstanceUIDs=${encodeURIComponent(shown(study, "0020000D"))}`;
      link.textContent = text;
    } else {
      cell.textContent = text;
    }
  }
  return line;
}

async function show() {
  const status = await (await fetch("/api/v1/status")).json();
  root("#viewer").hidden = !status.viewer;
  root("#no-viewer").hidden = status.viewer;
  root("#root").textContent = location.origin + status.dicomweb;
  const totals = status.totals;
  root("#totals").textContent = `${totals.studies ?? 0} studies, ${totals.instances ?? 0} instances`;
  const found = await fetch(`${status.dicomweb}/studies?limit=25&includefield=00081030`);
  const studies = found.status === 200 ? await found.json() : [];
  root("#empty").hidden = studies.length > 0;
  root("#studies").replaceChildren(...studies.map((study) => row(study, status.viewer)));
  return status;
}

async function store(files, dicomweb) {
  const progress = root("#progress");
  let stored = 0;
  progress.hidden = false;
  for (const [number, file] of files.entries()) {
    const answer = await fetch(`${dicomweb}/studies`, {
      method: "POST",
      headers: { "Content-Type": "application/dicom", Accept: "application/dicom+json" },
      body: file,
    });
    stored += answer.ok ? 1 : 0;
    progress.value = (number + 1) / files.length;
    root("#stored").textContent = `${stored} stored, ${number + 1 - stored} refused, of ${files.length}`;
  }
  progress.hidden = true;
}

const status = await show();
root("#files").addEventListener("change", async (event) => {
  await store([...event.target.files], status.dicomweb);
  await show();
});
