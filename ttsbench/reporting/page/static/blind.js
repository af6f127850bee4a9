"use strict";
// The blind comparison. Audio elements are never added to the document, so nothing in it reveals the systems.
if (document.getElementById("blind-data")) {
  const data = JSON.parse(document.getElementById("blind-data").textContent);
  const at = (name) => document.getElementById(`blind-${name}`);
  const RANDOM = "";
  const MATCHED = 0.1; // a clip is never turned down by more, because the other clip must then be silent
  const titleOf = (system) => data.titles[system] ?? system; // saved answers use the names of systems, not their titles
  const answers = [];
  let saved = 0;
  let trial = null;
  let left = [];

  for (const name of ["first", "second"]) {
    at(name).append(new Option("a random model", RANDOM), ...data.systems.map((one) => new Option(titleOf(one), one)));
  }

  const below = (count) => Math.floor(Math.random() * count);
  const pick = (list) => list[below(list.length)];

  const shuffled = (list) => {
    const mixed = [...list];
    for (let i = mixed.length - 1; i > 0; i--) {
      const j = below(i + 1);
      [mixed[i], mixed[j]] = [mixed[j], mixed[i]];
    }
    return mixed;
  };

  // Two different systems that have a clip of the utterance, in random order, or null.
  const pair = (clips) => {
    const chosen = [at("first").value, at("second").value];
    const models = data.models.filter((name) => name in clips);
    const pool = models.length > 1 ? models : Object.keys(clips);
    const found = chosen.map((name) => (name === RANDOM ? null : name));
    for (const place of [0, 1]) {
      found[place] ??= pick(pool.filter((name) => !found.includes(name))) ?? null;
    }
    return found.every((name) => name && name in clips) && found[0] !== found[1] ? shuffled(found) : null;
  };

  const draw = () => {
    for (let tries = 0; tries < 2 * data.trials.length; tries++) {
      if (!left.length) left = shuffled(data.trials);
      const one = left.pop();
      const systems = pair(one.clips);
      if (systems) return { one, systems };
    }
    return null;
  };

  const sound = (clip, other, place) => {
    const audio = new Audio();
    const ratio = other.level / clip.level;
    audio.preload = "none";
    audio.src = clip.audio;
    audio.volume = ratio < 1 && ratio > MATCHED ? ratio : 1;
    audio.addEventListener("ended", () => playing(null));
    audio.addEventListener("error", () => {
      if (trial?.sounds[place] === audio) giveUp(`${"AB"[place]} cannot be played because its file is missing or damaged.`);
    });
    return audio;
  };

  const playing = (place) => {
    ["a", "b"].forEach((name, index) => at(`play-${name}`).classList.toggle("playing", index === place));
  };

  const stop = () => {
    for (const audio of trial?.sounds ?? []) audio.pause();
    playing(null);
  };

  const allow = (able) => {
    for (const button of document.querySelectorAll("#blind .answer")) button.disabled = !able;
  };

  const giveUp = (why) => {
    stop();
    trial = null;
    at("trial").hidden = true;
    at("next").disabled = false;
    at("said").textContent = why;
  };

  const begin = () => {
    stop();
    const drawn = draw();
    if (!drawn) return giveUp("Choose two different systems that have clips of the same utterance.");
    const clips = drawn.systems.map((system) => drawn.one.clips[system]);
    trial = { ...drawn, clips, played: new Set() };
    trial.sounds = clips.map((clip, place) => sound(clip, clips[1 - place], place));
    at("text").textContent = drawn.one.text || "(the text is not known)";
    at("trial").hidden = false;
    at("said").textContent = "Play both clips.";
    at("next").disabled = true;
    at("next").textContent = "Next";
    allow(false);
    at("play-a").focus();
  };

  const play = (place) => {
    if (!trial) return;
    for (const audio of trial.sounds) audio.pause();
    document.dispatchEvent(new CustomEvent("sound"));
    const audio = trial.sounds[place];
    audio.currentTime = 0;
    playing(place);
    const mine = trial;
    audio.play().then(() => {
      mine.played.add(place);
      if (mine !== trial || mine.answered) return;
      const both = mine.played.size === 2;
      at("said").textContent = both ? "Play them as often as you like." : `Now play ${"BA"[place]}.`;
      allow(both);
    }, () => {}); // rejected when the clip was stopped before it started
  };

  const takeLabel = (take) => (take ? ` (${take})` : "");

  const answer = (said) => {
    if (!trial || trial.answered) return;
    trial.answered = true;
    stop();
    allow(false);
    const [a, b] = trial.systems;
    const preferred = { a, b, none: "" }[said];
    const names = trial.systems.map((system, place) => `${"AB"[place]} was ${titleOf(system)}${takeLabel(trial.clips[place].take)}`);
    answers.push({
      time: new Date().toISOString(), utterance: trial.one.utterance, a, a_take: trial.clips[0].take,
      b, b_take: trial.clips[1].take, answer: said, preferred,
    });
    at("said").textContent = `${names.join(", ")}. You preferred ${preferred ? titleOf(preferred) : "neither"}.`;
    at("next").disabled = false;
    tally();
    at("next").focus();
  };

  // E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22, 1927.
  const wilson = (wins, count) => {
    const z = 1.959963984540054;
    const share = wins / count;
    const centre = share + (z * z) / (2 * count);
    const half = z * Math.sqrt((share * (1 - share)) / count + (z * z) / (4 * count * count));
    const scale = 1 + (z * z) / count;
    return [(centre - half) / scale, (centre + half) / scale];
  };

  const tally = () => {
    const pairs = new Map();
    for (const one of answers) {
      const [first, second] = [one.a, one.b].sort((x, y) => data.systems.indexOf(x) - data.systems.indexOf(y));
      const key = JSON.stringify([first, second]);
      if (!pairs.has(key)) pairs.set(key, { first, second, wins: 0, losses: 0, none: 0 });
      const found = pairs.get(key);
      found[one.preferred === first ? "wins" : one.preferred === second ? "losses" : "none"] += 1;
    }
    const rows = [...pairs.values()].map(({ first, second, wins, losses, none }) => {
      const count = wins + losses;
      const percent = (share) => `${Math.round(100 * share)} %`;
      const share = count ? `${percent(wins / count)} [${wilson(wins, count).map(percent).join(", ")}]` : "";
      const row = document.createElement("tr");
      [titleOf(first), titleOf(second), wins, losses, none, share].forEach((text, index) => {
        const cell = document.createElement(index ? "td" : "th");
        if (!index) cell.scope = "row";
        cell.textContent = text;
        row.append(cell);
      });
      return row;
    });
    at("tally").replaceChildren(...rows);
    at("results").hidden = false;
  };

  const save = (name, type, text) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type }));
    link.download = name;
    link.click();
    URL.revokeObjectURL(link.href);
    saved = answers.length;
  };

  const quoted = (value) => `"${String(value).replaceAll('"', '""')}"`;
  const lines = () => [Object.keys(answers[0]), ...answers.map((one) => Object.values(one))];
  const csv = () => lines().map((line) => line.map(quoted).join(",") + "\n").join("");
  const json = () => JSON.stringify({ title: data.title, answers }, null, 1) + "\n";

  at("next").addEventListener("click", begin);
  at("play-a").addEventListener("click", () => play(0));
  at("play-b").addEventListener("click", () => play(1));
  for (const button of document.querySelectorAll("#blind .answer")) {
    button.addEventListener("click", () => answer(button.value));
  }
  at("json").addEventListener("click", () => save("preferences.json", "application/json", json()));
  at("csv").addEventListener("click", () => save("preferences.csv", "text/csv", csv()));
  for (const name of ["first", "second"]) {
    at(name).addEventListener("change", () => {
      if (trial && !trial.answered) giveUp("The systems have changed. Start again.");
      left = [];
    });
  }
  document.addEventListener("sound", (event) => {
    if (event.detail) stop();
  });
  window.addEventListener("beforeunload", (event) => {
    if (answers.length > saved) event.preventDefault();
  });
}
