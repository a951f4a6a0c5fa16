-- Asks introgate whether a request may pass: http-request lua.introgate URL-of-its-listener
-- A permitted request goes on with the identity headers of the answer; any other answer is sent to
-- the client as it is. When introgate does not answer, the client gets 503.

local function is_identity(name)
  return name:lower():gsub("[_.]", "-"):sub(1, 15) == "x-introspected-"
end

-- header fields that describe this connection, or the body, which is not sent along
local LEFT_OUT = {
  ["connection"] = true, ["content-length"] = true, ["transfer-encoding"] = true, ["expect"] = true,
  ["upgrade"] = true, ["te"] = true, ["trailer"] = true, ["keep-alive"] = true, ["host"] = true,
  ["x-forwarded-method"] = true, ["x-forwarded-uri"] = true, ["x-forwarded-host"] = true,
  ["x-forwarded-proto"] = true, ["x-forwarded-for"] = true, ["forwarded"] = true,
  ["x-original-method"] = true, ["x-original-uri"] = true, ["x-original-url"] = true,
}

local function refuse(txn, status, headers, body)
  local reply = txn:reply()
  reply:set_status(status)
  for name, values in pairs(headers or {}) do
    if not LEFT_OUT[name:lower()] then
      for _, value in pairs(values) do reply:add_header(name, value) end
    end
  end
  reply:set_body(body or "")
  txn:done(reply)
end

core.register_action("introgate", { "http-req" }, function(txn, url)
  local request = txn.http:req_get_headers()
  local question = {}
  for name, values in pairs(request) do
    if is_identity(name) then
      txn.http:req_del_header(name)
    elseif not LEFT_OUT[name:lower()] then
      local lines = {}
      for _, value in pairs(values) do lines[#lines + 1] = value end
      question[name] = lines
    end
  end
  question["x-forwarded-method"] = { txn.f:method() }
  question["x-forwarded-uri"] = { txn.f:pathq() }
  question["x-forwarded-proto"] = { txn.f:ssl_fc() == 1 and "https" or "http" }
  question["x-forwarded-for"] = { txn.f:src() }
  if request["host"] then question["x-forwarded-host"] = { request["host"][0] } end

  local answer = core.httpclient():get{ url = url, headers = question, timeout = 5000 }
  if not answer or not answer.status or answer.status == 0 then
    return refuse(txn, 503, { ["retry-after"] = { "1" } })
  end
  if answer.status ~= 200 then
    return refuse(txn, answer.status, answer.headers, answer.body)
  end
  for name, values in pairs(answer.headers) do
    if is_identity(name) then txn.http:req_set_header(name, values[0] or values[1]) end
  end
end, 1)
