"use strict";
// A listening test in one page. The browser stores the session after every answer, so that a reload resumes it. At the
// end the answers are saved as a file; they are sent only if the test has an address for answers. Text is inserted as
// text, never as HTML.

const test = JSON.parse(document.getElementById("test").textContent);
const query = new URLSearchParams(location.search);
const byId = (id) => document.getElementById(id);
const STORAGE_KEY = `ttsbench-listening:${test.testId}:${query.get("list") || ""}:${query.get("listener") || ""}`;
const FORMAT = "ttsbench-listening-1";

// -- session

function randomCode() {
  return Array.from(crypto.getRandomValues(new Uint8Array(5)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function randomBelow(count) {
  const limit = Math.floor(2 ** 32 / count) * count;
  let drawn = limit;
  while (drawn >= limit) drawn = crypto.getRandomValues(new Uint32Array(1))[0];
  return drawn % count;
}

function shuffled(items) {
  const order = [...items];
  for (let last = order.length - 1; last > 0; last--) {
    const other = randomBelow(last + 1);
    [order[last], order[other]] = [order[other], order[last]];
  }
  return order;
}

function newSession(code = query.get("listener") || "") {
  const asked = Number(query.get("list"));
  const number = query.get("list") === null ? randomBelow(test.lists.length) + 1 : asked;
  const given = code.replace(/[^A-Za-z0-9._-]/g, "").slice(0, 64);
  const trials = shuffled(test.lists[number - 1] || []).map((trial) => arranged(trial));
  return {
    listener: given || randomCode(), list: number, step: 0, started: new Date().toISOString(), finished: null,
    device: null, comment: "", training: test.training.map((trial) => arranged(trial)), trials, answers: {},
  };
}

function arranged(trial) {  // side-by-side samples are shuffled for every listener; the order of a pair is designed
  return test.arrangement === "together" ? {...trial, stimuli: shuffled(trial.stimuli)} : trial;
}

let storing = true;
function restored() {
  try {
    return JSON.parse(localStorage.getItem(STORAGE_KEY));
  } catch {
    return null;
  }
}
function store() {
  try {
    localStorage.setItem(STORAGE_KEY, JSON.stringify(session));
  } catch {
    if (storing) hint("This browser cannot store answers. Please do not reload the page before the end.");
    storing = false;
  }
}

let session = restored() || newSession();

// -- audio

const players = new Map();  // stimulus -> audio element of the displayed page
let playing = null;

function audio(stimulus) {
  if (!players.has(stimulus)) {
    const element = new Audio(`audio/${stimulus}.wav`);
    element.preload = "auto";
    players.set(stimulus, element);
  }
  return players.get(stimulus);
}

function silence() {
  for (const element of players.values()) element.pause();
  playing = null;
}

function playButton(name, stimulus, onPlayed, onStart = () => {}) {
  const button = document.createElement("button");
  const element = audio(stimulus);
  button.type = "button";
  button.className = "play";
  button.textContent = name;
  button.setAttribute("aria-pressed", "false");
  button.setAttribute("aria-label", `play ${name}`);
  button.addEventListener("click", () => {
    const stop = playing === stimulus;
    silence();
    if (stop) return;
    element.currentTime = 0;
    playing = stimulus;
    element.play().then(onStart).catch((error) => {
      if (error.name === "AbortError") return;
      hint("This sample does not play. Please reload the page, and tell us if the problem remains.");
    });
  });
  element.addEventListener("play", () => button.setAttribute("aria-pressed", "true"));
  element.addEventListener("pause", () => button.setAttribute("aria-pressed", "false"));
  element.addEventListener("ended", () => {
    playing = null;
    button.classList.add("played");
    onPlayed();
  });
  return button;
}

// -- pages

function show(name) {
  silence();
  players.clear();
  byId("page").replaceChildren(byId(name).content.cloneNode(true));
  hint("");
  byId("next").hidden = false;
  byId("next").disabled = false;
  byId("progress").value = session.step / lastStep();
  scrollTo(0, 0);
}

const lastStep = () => 2 + session.training.length + session.trials.length;

function hint(text) {
  byId("hint").textContent = text;
}

function welcome() {
  show("welcome");
  const count = session.trials.length;
  byId("count").textContent = test.arrangement === "single" ? `${count} samples of speech`
    : `${count} ${test.arrangement === "pair" ? "pairs" : "sets"} of samples`;
  byId("listener").textContent = session.listener;
  byId("where").textContent = test.post ? `At the end your answers are sent to ${new URL(test.post).host}.`
    : "Nothing is sent. At the end you save a file and return it yourself.";
}

function volume() {
  show("volume");
  document.querySelector(".players").append(playButton("Play", test.volume, () => {}));
  for (const choice of document.querySelectorAll("[name=device]")) {
    choice.checked = choice.value === session.device;
    choice.addEventListener("change", () => {
      session.device = choice.value;
      store();
      byId("next").disabled = false;
    });
  }
  byId("next").disabled = !session.device;
}

function question(trial, number, training) {
  show("question");
  const heading = document.querySelector("h1");
  const of = training ? session.training.length : session.trials.length;
  heading.textContent = `${training ? "Example" : "Question"} ${number + 1} of ${of}`;
  document.querySelector(".example").hidden = !training;
  if (trial.text) {
    document.querySelector("blockquote").hidden = false;
    document.querySelector("blockquote").textContent = trial.text;
  }
  const answer = session.answers[trial.id] || {ratings: {}, played: [], seconds: 0, position: number + 1};
  session.answers[trial.id] = answer;
  const began = performance.now() - 1000 * answer.seconds;
  const changed = () => {
    answer.seconds = Math.round((performance.now() - began) / 100) / 10;
    store();
    settle(trial, answer);
  };
  (test.arrangement === "together" ? sliders : choices)(trial, answer, changed);
  settle(trial, answer);
}

function settle(trial, answer) {
  const rated = test.arrangement === "together" ? trial.stimuli : trial.stimuli.slice(-1);
  const unplayed = trial.stimuli.filter((stimulus) => !answer.played.includes(stimulus)).length;
  const left = rated.filter((stimulus) => !(stimulus in answer.ratings)).length;
  byId("next").disabled = unplayed + left > 0;
  const samples = (count) => `${count} ${count > 1 ? "samples" : "sample"}`;
  hint(unplayed ? `${samples(unplayed)} left to play` : left ? `${samples(left)} left to rate` : "");
  const fields = document.querySelector(".answer fieldset");
  if (fields) fields.disabled = unplayed > 0;
}

function markPlayed(stimulus, answer, changed) {
  return () => {
    if (!answer.played.includes(stimulus)) answer.played.push(stimulus);
    changed();
  };
}

function choices(trial, answer, changed) {
  trial.stimuli.forEach((stimulus, number) => {
    const name = trial.stimuli.length > 1 ? "AB"[number] : "Play";
    const button = playButton(name, stimulus, markPlayed(stimulus, answer, changed));
    button.classList.toggle("played", answer.played.includes(stimulus));
    document.querySelector(".players").append(button);
  });
  const rated = trial.stimuli[trial.stimuli.length - 1];
  const fields = document.createElement("fieldset");
  const legend = document.createElement("legend");
  legend.textContent = test.question;
  fields.append(legend);
  for (const [rating, text] of test.labels) {
    const label = document.createElement("label");
    const choice = document.createElement("input");
    Object.assign(choice, {type: "radio", name: "rating", value: rating, checked: answer.ratings[rated] === rating});
    choice.addEventListener("change", () => {
      answer.ratings[rated] = rating;
      changed();
    });
    label.append(choice, ` ${text}`);
    fields.append(label);
  }
  document.querySelector(".answer").append(fields);
}

function sliders(trial, answer, changed) {
  const asked = document.querySelector(".question");
  asked.hidden = false;
  asked.textContent = test.question;
  document.querySelector(".players").append(playButton("Reference", trial.reference, () => {}));
  const bands = document.createElement("div");
  bands.className = "bands";
  bands.setAttribute("aria-hidden", "true");
  for (const [, text] of [...test.labels].reverse()) {
    bands.append(Object.assign(document.createElement("span"), {textContent: text}));
  }
  document.querySelector(".answer").append(bands);
  trial.stimuli.forEach((stimulus, number) => {
    const name = `Sample ${String.fromCharCode(65 + number)}`;
    const row = document.createElement("div");
    const slider = document.createElement("input");
    const shown = document.createElement("output");
    row.className = "sample";
    const rating = answer.ratings[stimulus];
    Object.assign(slider, {type: "range", min: test.low, max: test.high, step: 1, value: rating ?? test.low});
    slider.setAttribute("aria-label", `rating of ${name}, from ${test.low} bad to ${test.high} excellent`);
    slider.disabled = !answer.played.includes(stimulus);
    slider.classList.toggle("unrated", rating === undefined);
    shown.textContent = rating ?? "–";
    const rate = () => {
      answer.ratings[stimulus] = Number(slider.value);
      shown.textContent = slider.value;
      slider.classList.remove("unrated");
      changed();
    };
    for (const event of ["input", "pointerup", "keyup"]) {
      slider.addEventListener(event, (one) => {
        if (!slider.disabled && one.key !== "Tab" && one.key !== "Shift") rate();
      });
    }
    const played = markPlayed(stimulus, answer, changed);
    const button = playButton(name, stimulus, played, () => {
      slider.disabled = false;
      played();
    });
    button.classList.toggle("played", answer.played.includes(stimulus));
    row.append(button, slider, shown);
    document.querySelector(".answer").append(row);
  });
}

// -- the end

function result() {
  const answers = session.trials.map((trial) => {
    const {ratings, seconds, position} = session.answers[trial.id];
    return {trial: trial.id, position, seconds, ratings};
  });
  return {
    format: FORMAT, testId: test.testId, list: session.list, listener: session.listener, started: session.started,
    finished: session.finished, device: session.device, comment: session.comment, answers,
  };
}

function table() {
  const columns = ["test_id", "list", "listener", "trial", "stimulus", "rating", "position", "seconds", "started"];
  const lines = [columns.join(",")];
  const who = [test.testId, session.list, session.listener];
  for (const {trial, position, seconds, ratings} of result().answers) {
    for (const [stimulus, rating] of Object.entries(ratings)) {
      lines.push([...who, trial, stimulus, rating, position, seconds, session.started].join(","));
    }
  }
  return `${lines.join("\n")}\n`;
}

function save(text, type, ending) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], {type}));
  link.download = `${test.testId}-${session.listener}.${ending}`;
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}

async function send() {  // another host must allow the request (CORS)
  byId("send").disabled = true;
  byId("sent").textContent = "Sending your answers …";
  try {
    const reply = await fetch(test.post, {
      method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify(result()),
    });
    if (!reply.ok) throw new Error(`the server returned ${reply.status}`);
    session.sent = true;
    byId("sent").textContent = "Your answers were sent.";
  } catch (error) {
    byId("sent").textContent = `Your answers could not be sent (${error.message}). Try again, or save them as a file.`;
    byId("send").disabled = false;
  }
  store();
}

function done() {
  session.finished = session.finished || new Date().toISOString();
  store();
  show("done");
  byId("next").hidden = true;
  byId("todo").textContent = test.post ? "One step is left: send your answers. You can also save a copy."
    : "One step is left: save your answers, and send the file to the person who invited you.";
  byId("send").hidden = !test.post;
  byId("send").disabled = Boolean(session.sent);
  byId("sent").textContent = session.sent ? "Your answers were sent." : "";
  byId("json").classList.toggle("plain", Boolean(test.post));
  byId("send").addEventListener("click", send);
  byId("comment").value = session.comment;
  byId("comment").addEventListener("input", () => {
    session.comment = byId("comment").value;
    store();
  });
  const json = () => `${JSON.stringify(result(), null, 1)}\n`;
  byId("json").addEventListener("click", () => save(json(), "application/json", "json"));
  byId("csv").addEventListener("click", () => save(table(), "text/csv", "csv"));
  byId("again").addEventListener("click", () => {
    if (!confirm("Have you saved your answers? This browser will delete them.")) return;
    localStorage.removeItem(STORAGE_KEY);
    session = newSession("");
    go(0);
  });
}

function go(step) {
  session.step = step;
  store();
  const training = step - 2;
  const trial = training - session.training.length;
  if (step === 0) welcome();
  else if (step === 1) volume();
  else if (trial < 0) question(session.training[training], training, true);
  else if (trial < session.trials.length) question(session.trials[trial], trial, false);
  else done();
  document.querySelector("h1").focus();
}

byId("next").addEventListener("click", () => go(session.step + 1));
addEventListener("keydown", (event) => {
  const typed = event.target instanceof HTMLElement && event.target.matches("textarea, input[type=range]");
  if (event.ctrlKey || event.altKey || event.metaKey || typed) return;
  const plays = [...document.querySelectorAll("button.play")];
  if (event.key === "p" && plays.length === 1) plays[0].click();
  else if (/^[ab]$/.test(event.key) && plays.length === 2) plays["ab".indexOf(event.key)].click();
  else if (/^[0-9]$/.test(event.key) && test.arrangement === "single") {
    const choice = document.querySelector(`[name=rating][value="${event.key}"]:enabled`);
    if (choice) choice.click();
  }
});

if (session.trials.length) go(Math.min(session.step, lastStep()));
else byId("page").textContent = `There is no list ${query.get("list")}. Please ask for another link.`;
