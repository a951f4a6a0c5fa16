-- wrk script. TOKENS: how many tokens take turns, 0 for a new one every request. DELAY: milliseconds
-- that a connection waits between two requests. ASK: the path. BODY: bytes of a POST body.
local n = tonumber(os.getenv("TOKENS"))
local prefix = os.getenv("PREFIX")
local wait = tonumber(os.getenv("DELAY") or "0")
local headers = { ["Host"] = "127.0.0.1", ["Accept"] = "application/json", ["User-Agent"] = "bench/1" }
local path = os.getenv("ASK") or "/api/items?page=1"
local size = tonumber(os.getenv("BODY") or "0")
local method, body = "GET", nil
if size > 0 then
  method, body = "POST", string.rep("x", size)
  headers["Content-Type"] = "application/json"
end
local made, i = {}, 0

request = function()
  i = i + 1
  local k = n > 0 and i % n or i
  local r = made[k]
  if not r then
    headers["Authorization"] = "Bearer " .. prefix .. string.format("%032x", k)
    r = wrk.format(method, path, headers, body)
    if n > 0 then made[k] = r end
  end
  return r
end

if wait > 0 then
  delay = function() return wait end
end

done = function(s, l)
  local e = s.errors
  io.write(string.format("RESULT %d %d %d %d %d %d %d\n", s.requests, s.duration, l:percentile(50), l:percentile(99), l:percentile(99.9),
    e.connect + e.read + e.write + e.timeout, e.status))
end
