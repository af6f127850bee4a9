"use strict";
// Clips: select the displayed take, play one clip at a time, and show the position in the spectrogram.
{
  const select = document.getElementById("take");
  const cards = [...document.querySelectorAll(".card")];

  // A system without the selected take, such as the recording, shows its first take.
  const show = (key) => {
    for (const card of cards) {
      const takes = [...card.querySelectorAll(".take")];
      const shown = takes.find((take) => take.dataset.take === key) || takes[0];
      for (const take of takes) {
        take.hidden = take !== shown;
        const audio = take.querySelector("audio");
        if (take.hidden && audio) audio.pause();
      }
    }
  };
  if (cards.length) show(select ? select.value : "");
  if (select) select.addEventListener("change", () => show(select.value));

  const sounds = [...document.querySelectorAll(".card audio")];
  for (const audio of sounds) {
    audio.addEventListener("play", () => {
      for (const other of sounds) if (other !== audio) other.pause();
      document.dispatchEvent(new CustomEvent("sound", { detail: audio }));
      follow(audio);
    });
    audio.addEventListener("error", () => {
      if (audio.nextElementSibling?.dataset.error) return;
      const fault = document.createElement("p");
      fault.className = "fault";
      fault.dataset.error = "yes";
      fault.textContent = "The browser cannot play this clip because its file is missing or damaged.";
      audio.after(fault);
    });
    const picture = audio.closest(".take").querySelector(".sound");
    if (picture) picture.addEventListener("click", (event) => seek(audio, event.offsetX / picture.clientWidth));
  }
  document.addEventListener("sound", (event) => {
    for (const audio of sounds) if (audio !== event.detail) audio.pause();
  });

  const follow = (audio) => {
    const picture = audio.closest(".take").querySelector(".sound");
    if (!picture) return;
    let line = picture.querySelector("i");
    if (!line) picture.append((line = document.createElement("i")));
    const step = () => {
      line.style.left = `${(100 * audio.currentTime) / audio.duration || 0}%`;
      if (!audio.paused) requestAnimationFrame(step);
    };
    step();
  };

  const seek = (audio, share) => {
    const go = () => {
      audio.currentTime = share * audio.duration;
    };
    if (audio.readyState > 0) go();
    else audio.addEventListener("loadedmetadata", go, { once: true });
    audio.play();
  };
}
