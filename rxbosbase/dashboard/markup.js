// Shows the HTML that Python sends, and sends clicks and forms to Python.
//
// New HTML changes the existing elements instead of replacing them, so that focus, scroll positions
// and typed text stay. An element with `data-key` is the same element wherever it moves.
//
// data-act="pick" data-value="x"   a click, Enter or Space sends {act: "pick", value: "x"}
// <form data-act="filter">         a submit sends {act: "filter", fields: {…}}
// data-flash                       is highlighted when it is new or its text has changed
// data-local="theme"               switches light and dark; handled in the browser

const FLASH_MS = 1200
const calm = window.matchMedia("(prefers-reduced-motion: reduce)")

const keyOf = (node) => (node.nodeType === 1 ? node.getAttribute("data-key") : null)

function flash(element) {
  if (calm.matches || !element.animate) return
  const from = getComputedStyle(element).getPropertyValue("--flash") || "transparent"
  element.animate([{ backgroundColor: from }, { backgroundColor: "transparent" }], FLASH_MS)
}

function attributes(from, to) {
  for (const { name } of [...from.attributes])
    if (!to.hasAttribute(name)) from.removeAttribute(name)
  for (const { name, value } of [...to.attributes])
    if (from.getAttribute(name) !== value) from.setAttribute(name, value)
}

function same(from, to) {
  return from.nodeName === to.nodeName && keyOf(from) === keyOf(to)
}

function morph(from, to) {
  if (from.nodeType === 3) {
    if (from.nodeValue !== to.nodeValue) from.nodeValue = to.nodeValue
    return
  }
  if (from.nodeType !== 1 || from.isEqualNode(to)) return
  const lit = from.hasAttribute("data-flash") && from.textContent !== to.textContent
  attributes(from, to)
  children(from, to)
  if (lit && !from.hasAttribute("data-quiet")) flash(from)
}

function children(from, to) {
  const keep = new Set()
  for (const node of to.childNodes) if (keyOf(node)) keep.add(keyOf(node))
  const known = new Map()
  for (const node of [...from.childNodes]) {
    const key = keyOf(node)
    if (key && !keep.has(key)) node.remove()
    else if (key) known.set(key, node)
  }
  let at = from.firstChild
  for (const node of [...to.childNodes]) {
    const key = keyOf(node)
    const old = key ? known.get(key) : at
    if (old && same(old, node)) {
      if (old === at) at = at.nextSibling
      else from.insertBefore(old, at)
      morph(old, node)
    } else {
      from.insertBefore(node, at)
      if (key && node.hasAttribute("data-flash")) flash(node)
    }
  }
  while (at) {
    const next = at.nextSibling
    at.remove()
    at = next
  }
}

const THEME = "rxbosbase-theme"

function restoreTheme() {
  try { document.documentElement.style.colorScheme = localStorage.getItem(THEME) ?? "" } catch { /* no storage */ }
}

function theme() {
  const root = document.documentElement
  const dark = getComputedStyle(root).colorScheme.trim() === "dark" ||
    (getComputedStyle(root).colorScheme.includes("light dark") &&
      window.matchMedia("(prefers-color-scheme: dark)").matches)
  root.style.colorScheme = dark ? "light" : "dark"
  try { localStorage.setItem(THEME, root.style.colorScheme) } catch { /* no storage */ }
}

export function render({ model }) {
  const root = document.createElement("div")
  root.className = "rxb"
  root.innerHTML = model.html
  if (root.querySelector("[data-local=theme]")) restoreTheme()

  model.on("html", () => {
    const next = document.createElement("div")
    next.innerHTML = model.html
    const focused = root.getRootNode().activeElement
    const key = focused && root.contains(focused) ? keyOf(focused) : null
    children(root, next)
    if (key && root.getRootNode().activeElement !== focused) {
      const again = root.querySelector(`[data-key="${CSS.escape(key)}"]`)
      if (again) again.focus({ preventScroll: true })
    }
  })

  const send = (element) =>
    model.send_msg({ act: element.dataset.act, value: element.dataset.value ?? "" })
  root.addEventListener("click", (event) => {
    const local = event.target.closest("[data-local]")
    if (local) return theme()
    const element = event.target.closest("[data-act]")
    if (element && element.nodeName !== "FORM") send(element)
  })
  root.addEventListener("keydown", (event) => {
    const element = event.target
    if (event.key !== "Enter" && event.key !== " ") return
    if (!element.dataset.act || ["BUTTON", "FORM", "INPUT"].includes(element.nodeName)) return
    event.preventDefault()
    send(element)
  })
  root.addEventListener("submit", (event) => {
    event.preventDefault()
    const fields = Object.fromEntries(new FormData(event.target))
    model.send_msg({ act: event.target.dataset.act, value: event.target.dataset.value ?? "", fields })
    for (const secret of event.target.querySelectorAll("input[type=password]")) secret.value = ""
  })
  return root
}
