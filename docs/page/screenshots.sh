#!/usr/bin/env bash
# screenshots.sh INTROGATE: pictures of the status page for docs/operating.md, of a gateway with some
# traffic: healthy, while the authorization server is down, and with a refusal that is explained.
# SECONDS_OF_TRAFFIC may be set: the charts show so much of the last hour.
set -euo pipefail
introgate=$(realpath "$1"); here=$(realpath "$(dirname "$0")"); traffic=${SECONDS_OF_TRAFFIC:-120}
work=$(mktemp -d); cd "$work"
demo=; gateway=; clients=
trap 'kill $clients $gateway $demo 2>/dev/null || true; rm -rf "$work"' EXIT

# the demo's authorization server and service, behind a gateway of our own
"$introgate" demo > demo.log 2>&1 & demo=$!
until grep -q introspect demo.log; do sleep 0.1; kill -0 $demo; done
server=$(grep -o 'http://127.0.0.1:[0-9]*/introspect' demo.log | head -1)
service=$(echo "$server" | sed -E 's|:([0-9]+)/introspect|:9003|')
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 60 -subj /CN=api -addext subjectAltName=DNS:api.example.com \
  -keyout api.key -out api.crt 2> openssl.log || { cat openssl.log; exit 1; }
cat > gateway.yaml <<YAML
listeners:
  - { address: "127.0.0.1:18480" }
  - { address: "127.0.0.1:18482", protocols: [h1, h2], tls: { certificate: api.crt, private_key: api.key } }
admin: { address: "127.0.0.1:18481" }
authorization_servers:
  main:
    introspection_endpoint: $server
    client_auth: { method: client_secret_basic, client_id: demo-gateway, client_secret: demo-secret }
    retries: 0
cache: { ttl: 5s, inactive_ttl: 5s }
upstreams: { items: { servers: ["$service"] } }
routes:
  - { name: items-read, path: /items/*, methods: [GET, HEAD], upstream: items, scopes: [read], audience: ["https://demo.example"] }
  - { name: items-write, path: /items/*, upstream: items, scopes: [write], audience: ["https://demo.example"] }
  - { name: reports, path: /reports/*, upstream: items, scopes: [admin], audience: ["https://demo.example"], enforce: false }
  - { name: public, path: /public/*, upstream: items, auth: none }
log: { access: "off" }
YAML
"$introgate" run -c gateway.yaml 2> gateway.log & gateway=$!
until curl -fs http://127.0.0.1:18481/readyz > ready; do sleep 0.1; kill -0 $gateway; done

client() { # TOKEN PATH PAUSE [CURL OPTION…]
  local token=$1 path=$2 pause=$3; shift 3
  while :; do curl -s -o body.$BASHPID -H "Authorization: Bearer $token" "$@" "http://127.0.0.1:18480$path" || true; sleep "$pause"; done
}
for n in 1 2 3; do client demo-active "/items/$n" 0.0$n & clients="$clients $!"; done
client demo-active /public/hello 0.2 & clients="$clients $!"
client demo-active /reports/1 0.9 & clients="$clients $!"
client demo-narrow /items/new 0.4 -d name=new & clients="$clients $!"
client demo-expired /items/4 0.7 & clients="$clients $!"
client demo-other-audience /items/5 1.1 & clients="$clients $!"
sleep "$traffic"
curl -s -o complaint -H 'X-Request-Id: complaint-4711' -H 'Authorization: Bearer demo-narrow' -d name=new http://127.0.0.1:18480/items/1

shot() { # NAME WIDTHxHEIGHT QUERY [OPTION…]
  local name=$1 size=$2 query=$3; shift 3
  chromium --headless=new --no-sandbox --disable-gpu --hide-scrollbars --user-data-dir="$work/profile" \
    --window-size="$size" --virtual-time-budget=3000 --screenshot="$here/$name.png" "$@" "http://127.0.0.1:18481/$query" 2> chromium.log \
    || { cat chromium.log; exit 1; }
}
shot healthy 1280,1300 ''
shot refusal 1280,900 '?request_id=complaint-4711'
kill $demo; demo=
echo 'nonsense: 1' >> gateway.yaml
sleep 20
shot outage 1280,1300 '' --blink-settings=preferredColorScheme=0
ls -l "$here"/*.png
