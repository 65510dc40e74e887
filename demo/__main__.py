"""`make demo`: prepares, lives through the story, writes the summary, leaves the system running.

Environment: DEMO_EXIT=1 stops the system at the end; DEMO_BINARY names another program to
drive than the release build.
"""

import json
import os
import shutil
import subprocess
import sys
import time

from demo import prepare, story, summary
from demo.narrator import Narrator
from demo.product import Product, Refused


def main():
    tell = Narrator()
    begun = time.monotonic()
    tell.chapter("Preparing: build, download, install")
    try:
        prepare.run(tell.say)
    except prepare.Failed as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    prepare_seconds = time.monotonic() - begun
    tell.say(f"prepared in {prepare_seconds:.0f} s")
    work = prepare.HERE / "work"
    product = fresh(work)
    life = story.Story(product, tell, work)
    try:
        life.run()
    except (story.Stuck, Refused, RuntimeError, KeyboardInterrupt) as error:
        tell.bad(f"the story stopped: {error}")
        if life.traffic:
            life.traffic.stop()
        tell.say(f"look at {work / 'mainspan.log'} and {product.state / 'logs'}; stop it with `{stop(product)}`")
        if os.environ.get("DEMO_EXIT"):
            product.run(work, "down", allowed=(0, 1, 4))
        return 1
    result = summary.compute(life.facts, prepare_seconds, story.MOVES)
    (prepare.HERE / "facts.json").write_text(json.dumps(life.facts, indent=1))
    (prepare.HERE / "summary.json").write_text(json.dumps(result, indent=2) + "\n")
    close(tell, product, life, result)
    return 0


def fresh(work):
    """An empty place to work in; a system that an earlier demo left running is stopped."""
    product = Product(prepare.binary(), work / "state", {
        **prepare.environment(), "XDG_CONFIG_HOME": str(work / "config"), "XDG_STATE_HOME": str(work)}, work / "mainspan.log")
    if work.exists():
        subprocess.run([str(product.binary), "down"], env=product.environment, capture_output=True)
        shutil.rmtree(work)
    work.mkdir(parents=True)
    return product


def stop(product):
    return f"{product.binary} --state {product.state} down"


def close(tell, product, life, result):
    """Says what the story showed, how to look at it, and how to stop it."""
    tell.chapter("What happened")
    asked = result["requests"]
    tell.say(f"{asked['sent']} requests, {asked['answered']} answered, {asked['failed']} failed, "
             f"{asked['failed_by_candidate']} failed by a candidate; p50 {asked['p50_ms']} ms, p99 {asked['p99_ms']} ms")
    for one in result["rollbacks"]:
        tell.say(f"candidate `{one['kind']}` (version {one['version']}) saw {one['exposure_percent']} % of the traffic "
                 f"for {one['seconds_to_detect']} s: {one['evidence']}")
    tell.say(f"{result['seconds']} s after preparation; all figures are in {prepare.HERE / 'summary.json'}")
    if os.environ.get("DEMO_EXIT"):
        product.run(life.folder, "down")
        return tell.say("stopped (DEMO_EXIT)")
    tell.say("it is still running. Look at it:")
    tell.command(f"cd {life.folder} && export MAINSPAN_STATE={product.state}")
    tell.command(f"{product.binary} status        # or: events, runs, rollouts, models {story.MODEL}, alarms, logs RUN")
    tell.command(f"curl {product.data}/{story.SERVICE} --json '{json.dumps(story.ROW)}'")
    tell.say(f"stop it: {stop(product)}")


if __name__ == "__main__":
    sys.exit(main())
