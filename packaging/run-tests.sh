#!/bin/bash
# Runs every test: values in parallel, then what talks to the kernel, then two hosts, one after the other, because they
# live in real time.
#
# A test of the last two kinds that fails is run once more, alone: a machine that stood still for a moment is not a defect
# of ours. It is named at the end either way, so that nobody overlooks one that needs its second chance every day; a test
# that fails twice, and any test of values that fails once, fails the run.
#
# usage: packaging/run-tests.sh UNDERSTUDY-BINARY [CHAOS-BINARY]
set -euo pipefail

binary=$(realpath "$1")
export UNDERSTUDY_BINARY=$binary
if [[ -n ${2:-} ]]; then UNDERSTUDY_CHAOS_BINARY=$(realpath "$2"); export UNDERSTUDY_CHAOS_BINARY; fi
export UNDERSTUDY_RUNS=${UNDERSTUDY_RUNS:-3}
export PATH="$PATH:/usr/sbin:/sbin"
# Seconds after which a run of tests hangs.
patience=1500
# Most tests that get a second chance in one run; more failing at once is no coincidence.
second_chances=3
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

unable=()
if [[ $(id -u) -ne 0 ]]; then unable+=("two hosts in namespaces, real clients and brokers: needs root"); fi
for program in ip nft arping nsenter mount tcpdump mosquitto mosquitto_pub keepalived tshark python3; do
    command -v "$program" >/dev/null || unable+=("two hosts in namespaces: needs $program")
done

for program in ip unshare openssl mosquitto mosquitto_pub nginx sslscan /usr/lib/rabbitmq/bin/rabbitmq-server; do
    command -v "$program" >/dev/null || unable+=("real clients, brokers and the documents' configurations: needs $program")
done
/usr/bin/python3 -c 'import paho.mqtt.client' 2>/dev/null || unable+=("real clients: needs python3-paho-mqtt")

[[ -n ${UNDERSTUDY_CHAOS_BINARY:-} ]] || unable+=("deaths at named points, controls and poison: needs a chaos build (make test makes one)")

status=0
unsteady=()
lost=()

# The functions whose tests failed, from the event stream of a run: TARGET.SUITE/function(). Fails when the run did not come
# to its end, or something failed that is no function of a test: then nobody knows what else would have.
failed() {
    python3 - "$1" <<'PYTHON'
import json, sys

failed, ended = set(), False
for line in open(sys.argv[1], encoding="utf-8"):
    payload = json.loads(line).get("payload", {})
    ended = ended or payload.get("kind") == "runEnded"
    if payload.get("kind") == "issueRecorded" and not payload.get("issue", {}).get("isKnown", False):
        failed.add(payload.get("testID", ""))
if not ended or not all(name.count("/") > 1 for name in failed):
    sys.exit(1)
# An identifier ends in the place of the source, which a filter does not know.
print("\n".join(sorted({name.rsplit("/", 1)[0] for name in failed})))
PYTHON
}

# What failed tests said, a line each, from the event stream of a run, and which were under way when it ended too early.
said() {
    python3 - "$1" <<'PYTHON'
import json, sys

under_way = {}
for line in open(sys.argv[1], encoding="utf-8"):
    # The last line of a run that was killed may be half of one.
    if not line.endswith("\n"):
        break
    payload = json.loads(line).get("payload", {})
    kind, test = payload.get("kind"), payload.get("testID", "")
    if kind == "testStarted":
        under_way[test] = None
    elif kind in ("testEnded", "testSkipped"):
        under_way.pop(test, None)
    if kind == "issueRecorded":
        name = payload.get("testID", "").rsplit("/", 1)[0]
        text = " ".join(part.get("text", "") for part in payload.get("messages", []))
        print(f"{name}: {' '.join(text.split())[:600]}")
for test in under_way:
    if test.count("/") > 1:
        print(f"{test.rsplit('/', 1)[0]}: was under way when the run ended")
PYTHON
}

# Whether a run came to its end and ran a test at all.
has_run() {
    grep -q '"kind":"runEnded"' "$1" && grep -q '"kind":"testEnded"' "$1"
}

# Tests in real time: once, and those that failed once more, alone.
in_real_time() {
    local events="$scratch/events.jsonl" name names=()
    rm -f "$events"
    if timeout $patience swift test --skip-build --no-parallel --event-stream-output-path "$events" --filter "$1"; then return; fi
    if ! failed "$events" >"$scratch/failed"; then
        lost+=("the run of $1 did not come to its end")
        if [[ -e $events ]]; then said "$events" >>"$scratch/said"; fi
        return
    fi
    said "$events" >>"$scratch/said"
    mapfile -t names <"$scratch/failed"
    if [[ ${#names[@]} -eq 0 || ${#names[@]} -gt $second_chances ]]; then
        lost+=("${#names[@]} tests of $1:" "${names[@]}")
        return
    fi
    for name in "${names[@]}"; do
        echo "Once more, alone: $name"
        rm -f "$events"
        if timeout $patience swift test --skip-build --no-parallel --event-stream-output-path "$events" \
            --filter "$(sed 's/[][().*+?^$|\\]/\\&/g' <<<"$name")" && has_run "$events"; then
            unsteady+=("$name")
        else
            lost+=("$name")
            if [[ -e $events ]]; then said "$events" >>"$scratch/said"; fi
        fi
    done
}

swift build --build-tests
timeout $patience swift test --skip-build --parallel --skip '^(KernelTests|ProxyTests|NamespaceTests|AcceptanceTests|FuzzTests)\.'
# By themselves: they keep every core busy, a minute for each reader of what strangers send.
UNDERSTUDY_FUZZ_SECONDS=${UNDERSTUDY_FUZZ_SECONDS:-60} timeout $patience swift test --skip-build --parallel --filter '^FuzzTests\.'
in_real_time '^(KernelTests|ProxyTests)\.'
in_real_time '^NamespaceTests\.'
in_real_time '^AcceptanceTests\.'
# What a killed run may have left.
if [[ $(id -u) -eq 0 ]]; then "$binary" lab clean; fi

banner() {
    echo
    echo "##################################################################"
    echo "# $1"
    shift
    if [[ $# -gt 0 ]]; then printf '#   %s\n' "$@"; fi
    echo "##################################################################"
}

# Last of all what failed, and what it said: the end of a long output is what people read.
if [[ -s $scratch/said ]]; then banner "WHAT FAILED TESTS SAID:"; cat "$scratch/said"; fi
if [[ ${#unsteady[@]} -gt 0 ]]; then banner "PASSED ONLY ON THE SECOND ATTEMPT:" "${unsteady[@]}"; fi
if [[ ${#unable[@]} -gt 0 ]]; then
    banner "NOT RUN HERE:" "${unable[@]}"
    if [[ ${CI:-} == true ]]; then status=1; fi
fi
if [[ ${#lost[@]} -gt 0 ]]; then
    banner "FAILED:" "${lost[@]}"
    status=1
fi
exit "$status"
