"use strict";

const TEXTS = {
  en: {
    other: "中文",
    heading: "Ask a question",
    label: "Your question",
    placeholder: "Your question",
    ask: "Ask",
    token: "Access token",
    enter: "Enter",
    keyAsk: "ask",
    keyMove: "move",
    keyOpen: "open, close",
    entries: (n) => `${n.toLocaleString("en")} ${n === 1 ? "entry" : "entries"}`,
    answers: (n) => (n === 1 ? "1 answer" : `${n} answers`),
    none: "There is no sure answer. The nearest entries:",
    less: "Less sure",
    nothing: "There is no answer.",
    waiting: "Searching…",
    busy: "Many are asking just now. Please ask again in a moment.",
    access: "This service needs an access token.",
    refused: "The service didn't take this: ",
    failed: "The service has a problem. Please ask again later.",
    unreachable: "The service can't be reached.",
    score: "score",
  },
  zh: {
    other: "English",
    heading: "提问",
    label: "您的问题",
    placeholder: "请输入您的问题",
    ask: "提问",
    token: "访问令牌",
    enter: "确定",
    keyAsk: "提问",
    keyMove: "移动",
    keyOpen: "展开、收起",
    entries: (n) => `共 ${n.toLocaleString("zh")} 条`,
    answers: (n) => `找到 ${n} 个答案`,
    none: "没有确定的答案。最接近的条目：",
    less: "把握较小",
    nothing: "没有答案。",
    waiting: "正在查找……",
    busy: "现在提问的人很多，请稍后再试。",
    access: "此服务需要访问令牌。",
    refused: "服务未接受：",
    failed: "服务出现问题，请稍后再试。",
    unreachable: "无法连接到服务。",
    score: "分数",
  },
};

const at = (id) => document.getElementById(id);
const question = at("question");
const hits = at("hits");
const buttons = () => [...hits.querySelectorAll("button")];

let texts = TEXTS.en;
let entries = null;
let said = () => "";
let running = null;

/* Everything below is put into the page as text, never as HTML: answers are other people's. */

function element(name, className, text = "") {
  const made = document.createElement(name);
  made.className = className;
  made.textContent = text;
  return made;
}

function say(text, warn = false) {
  said = text;
  at("status").textContent = text();
  at("status").classList.toggle("warn", warn);
}

function setLanguage(language) {
  texts = TEXTS[language];
  document.documentElement.lang = language === "zh" ? "zh-Hans" : "en";
  document.title = texts.heading;
  for (const part of document.querySelectorAll("[data-text]")) {
    part.textContent = texts[part.dataset.text];
  }
  for (const part of document.querySelectorAll("[data-label]")) {
    part.setAttribute("aria-label", texts[part.dataset.label]);
    part.placeholder = texts[part.dataset.placeholder];
  }
  at("language").textContent = texts.other;
  at("language").lang = language === "zh" ? "en" : "zh-Hans";
  at("entries").textContent = entries === null ? "" : texts.entries(entries);
  at("status").textContent = said();
}

function toggle(button, open = button.getAttribute("aria-expanded") !== "true") {
  button.setAttribute("aria-expanded", open);
  at(button.getAttribute("aria-controls")).hidden = !open;
}

function show(result) {
  const count = result.hits.filter((hit) => hit.accepted).length;
  if (count) {
    say(() => texts.answers(count));
  } else {
    say(() => (result.hits.length ? texts.none : texts.nothing), true);
  }
  const cards = result.hits.map(card);
  const rest = cards.findIndex((item) => !item.classList.contains("accepted"));
  hits.replaceChildren(...cards);
  if (count) {
    toggle(hits.querySelector(".accepted button"), true);
    if (rest > 0) {
      const label = element("li", "rest", texts.less);
      label.dataset.text = "less";
      cards[rest].before(label);
    }
  }
}

function card(hit, place) {
  const answer = element("p", "answer", hit.answer);
  answer.id = `answer-${place}`;
  answer.hidden = true;
  answer.dir = "auto";
  const score = element("span", "score", hit.score.toFixed(2));
  score.title = texts.score;
  const button = element("button", "");
  button.type = "button";
  button.setAttribute("aria-expanded", "false");
  button.setAttribute("aria-controls", answer.id);
  button.append(element("span", "title", hit.title || hit.id), score, element("span", "mark"));
  button.addEventListener("click", () => toggle(button));
  const heading = element("h2", "");
  heading.append(button);
  const item = element("li", hit.accepted ? "hit accepted" : "hit");
  item.append(heading, answer);
  return item;
}

async function ask() {
  const text = question.value.trim();
  if (!text) {
    return;
  }
  running?.abort();
  const mine = (running = new AbortController());
  const headers = { "Content-Type": "application/json" };
  const token = sessionStorage.getItem("token");
  if (token) {
    headers.Authorization = `Bearer ${token}`;
  }
  hits.setAttribute("aria-busy", "true");
  say(() => texts.waiting);
  try {
    const body = JSON.stringify({ question: text, top: 5 });
    const answer = await fetch("ask", { method: "POST", headers, body, signal: mine.signal });
    const content = await answer.json();
    if (answer.ok) {
      show(content.results[0]);
    } else {
      refuse(answer.status, content.error);
    }
  } catch (problem) {
    if (mine.signal.aborted) {
      return;
    }
    hits.replaceChildren();
    say(() => texts.unreachable, true);
  }
  hits.setAttribute("aria-busy", "false");
}

function refuse(status, message) {
  hits.replaceChildren();
  if (status === 401) {
    say(() => texts.access, true);
    at("access").hidden = false;
    at("token").focus();
  } else if (status === 429 || status === 503) {
    say(() => texts.busy, true);
  } else if (status < 500) {
    say(() => texts.refused + message, true);
  } else {
    say(() => texts.failed, true);
  }
}

at("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  ask();
});

at("access").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem("token", at("token").value.trim());
  at("token").value = "";
  at("access").hidden = true;
  question.focus();
  ask();
});

at("language").addEventListener("click", () => {
  const language = texts === TEXTS.en ? "zh" : "en";
  localStorage.setItem("language", language);
  setLanguage(language);
});

document.addEventListener("keydown", (event) => {
  if (event.isComposing || event.ctrlKey || event.metaKey || event.altKey) {
    return;
  }
  const all = buttons();
  const place = all.indexOf(document.activeElement);
  const inText = document.activeElement instanceof HTMLInputElement;
  if ((event.key === "/" && !inText) || event.key === "Escape") {
    question.focus();
    question.select();
  } else if (event.key === "ArrowDown" && (place >= 0 || document.activeElement === question)) {
    all[Math.min(place + 1, all.length - 1)]?.focus();
  } else if (event.key === "ArrowUp" && place >= 0) {
    (all[place - 1] ?? question).focus();
  } else if (event.key === "ArrowRight" && place >= 0) {
    toggle(all[place], true);
  } else if (event.key === "ArrowLeft" && place >= 0) {
    toggle(all[place], false);
  } else {
    return;
  }
  event.preventDefault();
});

const wanted = localStorage.getItem("language") ?? navigator.language;
setLanguage(wanted.startsWith("zh") ? "zh" : "en");
fetch("healthz")
  .then((answer) => answer.json())
  .then((state) => {
    entries = state.entries;
    setLanguage(texts === TEXTS.zh ? "zh" : "en");
  })
  .catch(() => {});
