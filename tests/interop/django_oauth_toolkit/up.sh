#!/bin/sh
# Starts django-oauth-toolkit on 127.0.0.1:8000 with a fresh database, everything it makes in DIR, and prints what is in
# it as shell exports:   eval "$(tests/interop/django_oauth_toolkit/up.sh DIR)"
set -eu

[ $# -eq 1 ] || { echo "usage: $0 DIR" >&2; exit 64; }
project=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
dir=$(cd "$1" && pwd)
address=127.0.0.1:8000

python3 -c 'import ensurepip, venv' || {
    echo "$0: needs Python 3 with its venv module: apt-get install python3 python3-venv" >&2
    exit 1
}
if curl -s -o /dev/null "http://$address/"; then
    echo "$0: something answers on $address already; stop it first" >&2
    exit 1
fi

python="$dir/venv/bin/python"
if ! cmp -s "$project/requirements.txt" "$dir/installed.txt"; then
    echo "installing django-oauth-toolkit in $dir/venv" >&2
    python3 -m venv --clear "$dir/venv"
    "$python" -m pip --disable-pip-version-check install --quiet -r "$project/requirements.txt" >&2
    cp "$project/requirements.txt" "$dir/installed.txt"
fi

export DOT_DATABASE="$dir/db.sqlite3" PYTHONDONTWRITEBYTECODE=1
rm -f "$DOT_DATABASE"
"$python" "$project/manage.py" migrate --verbosity 0 >&2
"$python" "$project/seed.py" --shell > "$dir/exports"

"$python" -u "$project/manage.py" runserver --noreload "$address" > "$dir/log" 2>&1 &
server=$!
until curl -s -o /dev/null "http://$address/"; do
    kill -0 "$server" || { cat "$dir/log" >&2; exit 1; }
    sleep 0.2
done

cat "$dir/exports"
echo "# http://$address/o/introspect/ answers; log: $dir/log; stop it with: kill $server"
