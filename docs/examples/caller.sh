#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# caller.sh SERVICE PATH: calls an API by pointsman's advice, with what every Debian system has, and curl for the call itself.
set -u
LC_ALL=C

# bash cannot open a Unix socket: perl does, and makes lines of frames. (socat - UNIX-CONNECT:… with tr would do as well.)
coproc POINTSMAN {
    exec perl -MIO::Socket::UNIX -we '
        my $daemon = IO::Socket::UNIX->new(Peer => $ARGV[0]) or die "$ARGV[0]: $!\n";
        $| = 1;
        @ARGV = ();
        while (my $request = <>) {
            chomp $request;
            print $daemon "$request\0";
            local $/ = "\0";
            my $reply = <$daemon> // die "pointsmand has hung up\n";
            chomp $reply;
            print "$reply\n";
        }' "${POINTSMAN_SOCKET:-/run/pointsman/pointsman.sock}"
}
exec {to}>&"${POINTSMAN[1]}" {from}<&"${POINTSMAN[0]}"

# ask METHOD PARAMETERS: the answer is in $reply; false: it is an error.
ask() {
    printf '{"method":"org.pointsman.routing.%s","parameters":%s}\n' "$1" "$2" >&"$to"
    read -r reply <&"$from" || exit 1
    [[ $reply != '{"error":'* ]]
}

# field NAME: its first value in $reply. Enough for ids, names and URLs, which hold no quotes; for more there is jq.
field() {
    [[ $reply =~ \"$1\":\"([^\"]*)\" ]] && printf '%s' "${BASH_REMATCH[1]}"
}

# call URL: what Report wants to know of it, in $outcome. False: no good answer.
call() {
    local status seconds us latency error
    read -r status seconds < <(curl --silent --max-time 10 --output "$body" --write-out '%{http_code} %{time_total}\n' "$1"; echo "$?" >"$body.exit")
    us=$((10#${seconds/./}))
    printf -v latency '"latencyMs":%d.%03d' $((us / 1000)) $((us % 1000))
    if [[ $status == 000 ]]; then
        case $(<"$body.exit") in
        6) error=dns ;;
        7) error=connect ;;
        28) error=timeout ;;
        35 | 60) error=tls ;;
        *) error=reset ;;
        esac
        outcome="\"error\":\"$error\",$latency"
        return 1
    fi
    outcome="\"httpStatus\":$status,$latency"
    [[ $status == 2* ]]
}

service=${1:?the service, such as maps} path=${2:?the path of the request, such as /geocode?q=Oslo}
body=$(mktemp)
trap 'rm -f "$body" "$body.exit"' EXIT

ask Route "{\"serviceName\":\"$service\"}"
for attempt in 1 2 3; do
    [[ $reply != '{"error":'* ]] || { echo "$reply" >&2; exit 1; }
    decision=$(field id)
    echo "attempt $attempt: $(field node)" >&2
    if call "$(field url)$path"; then
        ask Report "{\"decision\":\"$decision\",$outcome}"
        cat "$body"
        exit 0
    fi
    # Reports the failure, and asks for a node that was not tried yet.
    ask CostAwareFallback "{\"decision\":\"$decision\",$outcome}"
done
# A decision that is not used says so; else it would count as open until it expires.
ask Report "{\"decision\":\"$(field id)\",\"error\":\"not_sent\"}"
exit 1
