'use strict'
// Renews the parts of the page that are marked `data-live`, follows decisions, and sends the form
// that explains a request. Without it the page is the same, as of the moment it was loaded.
const PERIOD = 5000
const ROWS = 200
const byId = id => document.getElementById(id)
let stream = null

const renew = async () => {
  if (document.hidden) return
  try {
    const answer = await fetch(location.pathname + location.search, { cache: 'no-store' })
    if (!answer.ok) throw new Error(answer.status)
    const fresh = new DOMParser().parseFromString(await answer.text(), 'text/html')
    for (const part of document.querySelectorAll('[data-live]')) {
      const other = fresh.getElementById(part.id)
      if (!other || part.contains(document.activeElement) || (stream && part.id === 'decision-rows')) continue
      if (part.innerHTML !== other.innerHTML) part.replaceChildren(...other.childNodes)
    }
  } catch {
    byId('summary').replaceChildren(Object.assign(document.createElement('span'), { className: 'bad', textContent: 'The gateway does not answer.' }))
  }
}

// One row, as the gateway writes it. Everything that a client sent goes through textContent.
const row = one => {
  const line = document.createElement('tr')
  const cell = (text, style) => { const c = line.insertCell(); c.textContent = text ?? ''; if (style) c.className = style; return c }
  cell(String(one.ts).slice(11, 23), 'time')
  cell(one.enforced === false ? `${one.decision}, forwarded` : one.decision, { allow: 'good', deny: 'deny', error: 'bad' }[one.decision] ?? 'plain')
  cell(one.reason)
  cell(one.status, 'number')
  cell(`${one.method} ${one.host}${one.path}`, 'path')
  cell(one.route ?? '-')
  cell(one.client_id ?? one.sub)
  cell('').append(Object.assign(document.createElement('code'), { textContent: one.token_fp ?? '' }))
  const link = Object.assign(document.createElement('a'), { textContent: one.request_id })
  link.href = '?request_id=' + encodeURIComponent(one.request_id)
  cell('').append(link)
  return line
}

const follow = () => {
  const [button, note, rows] = [byId('follow'), byId('follow-note'), byId('decision-rows')]
  if (stream) {
    stream.close(); stream = null
    button.setAttribute('aria-pressed', 'false'); note.textContent = ''
    return
  }
  const filter = new URLSearchParams(new FormData(byId('filter')))
  stream = new EventSource('api/decisions?' + filter)
  button.setAttribute('aria-pressed', 'true'); note.textContent = 'Decisions appear as they happen.'
  let leftOut = 0
  stream.onmessage = event => {
    byId('no-decisions')?.remove()
    rows.prepend(row(JSON.parse(event.data)))
    while (rows.rows.length > ROWS) rows.deleteRow(-1)
  }
  stream.addEventListener('sampled', event => {
    const { left_out, not_looked_at } = JSON.parse(event.data)
    leftOut += left_out + not_looked_at
    note.textContent = `There are more decisions than are shown: this is a sample, ${leftOut} were left out.`
  })
  stream.onerror = () => { note.textContent = 'The connection to the gateway was lost; trying again.' }
}

const explain = async event => {
  event.preventDefault()
  const [form, output] = [new FormData(event.target), byId('explanation')]
  const show = text => { output.hidden = false; output.textContent = text }
  const request = { method: form.get('method').trim(), url: form.get('url').trim(), headers: {} }
  for (const line of form.get('headers').split('\n').filter(line => line.trim())) {
    const colon = line.indexOf(':')
    if (colon < 1) return show(`Not a header: ${line}`)
    request.headers[line.slice(0, colon).trim()] = line.slice(colon + 1).trim()
  }
  try {
    if (form.get('response').trim()) request.response = JSON.parse(form.get('response'))
  } catch (error) {
    return show(`The introspection response is not JSON: ${error.message}`)
  }
  const headers = { 'Content-Type': 'application/json' }
  if (form.get('token')) headers.Authorization = 'Bearer ' + form.get('token')
  try {
    const answer = await fetch('api/explain', { method: 'POST', headers, body: JSON.stringify(request) })
    const text = await answer.text()
    try { show(JSON.stringify(JSON.parse(text), null, 2)) } catch { show(text) }
  } catch {
    show('The gateway does not answer.')
  }
}

byId('follow').hidden = false
byId('follow').addEventListener('click', follow)
byId('explain-form').hidden = false
byId('explain-form').addEventListener('submit', explain)
document.addEventListener('keydown', event => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches('input, textarea, select')) return
  if (event.key === '/') byId('find').focus()
  else if (event.key === 'f') follow()
  else if (event.key === 'e') byId('explain-form').elements.url.focus()
  else return
  event.preventDefault()
})
document.addEventListener('visibilitychange', renew)
setInterval(renew, PERIOD)
