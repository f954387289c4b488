#!/usr/bin/env python3
"""Runs the suites and ends with one line: N passed, N failed, N skipped.

  tests/run.py [SUITE…]            all suites, or those named
  tests/run.py --sanitizer asan    the unit and integration suites against build/asan

A suite whose toolchain is absent says so and counts as skipped; where CI is set, a skip is a failure.
"""

import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time
import xml.etree.ElementTree

ROOT = pathlib.Path(__file__).resolve().parent.parent
PYTHON = "/usr/bin/python3"
SKIP = 77  # the exit code of a script that lacks its tool


class Counts:
    def __init__(self, passed=0, failed=0, skipped=0, names=()):
        self.passed, self.failed, self.skipped = passed, failed, skipped
        self.names = list(names)  # of the tests that failed or were skipped, as far as they are known

    def add(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped
        self.names += other.names

    def __str__(self):
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


class Run:
    """One run of the suites against one build."""

    def __init__(self, build, sanitizer):
        self.build = build
        self.sanitizer = sanitizer
        self.reports = build / "reports"
        self.reports.mkdir(parents=True, exist_ok=True)
        self.environment = {key: value for key, value in os.environ.items() if not key.startswith("CARILLON_") or
                            key.startswith("CARILLON_TEST_")}
        self.environment["CARILLON_BINARY"] = str(build / "carillon")
        self.environment["CARILLON_RELEASE"] = str(ROOT / "build" / "release")
        # Under a sanitizer everything takes five to fifteen times as long.
        self.environment.setdefault("CARILLON_TEST_SCALE", "0.2" if sanitizer else "1")
        suppressions = ROOT / "tests" / "tsan.supp"
        self.environment.setdefault("TSAN_OPTIONS", f"suppressions={suppressions} ignore_noninstrumented_modules=1 second_deadlock_stack=1")
        self.environment.setdefault("ASAN_OPTIONS", "detect_stack_use_after_return=1")
        self.environment.setdefault("UBSAN_OPTIONS", "print_stacktrace=1")

    def call(self, command, cwd=ROOT, timeout=1500):
        return subprocess.run(command, cwd=cwd, env=self.environment, timeout=timeout).returncode

    # --- Suites. Each returns Counts. ---

    def script(self, *command):
        code = self.call(list(command))
        return Counts(skipped=1) if code == SKIP else Counts(passed=1) if code == 0 else Counts(failed=1)

    def layers(self):
        return self.script(PYTHON, "tools/check_layers.py")

    def protos(self):
        return self.script("tools/lint_proto.sh")

    def stubs(self):
        return self.script("tools/gen_clients.sh", "--check")

    def docs(self):
        return self.script(PYTHON, "tools/gen_docs.py", "--check")

    def unit(self):
        report = self.reports / "unit.xml"
        report.unlink(missing_ok=True)
        code = self.call(["ctest", "--test-dir", str(self.build), "--quiet", "--no-tests=error", "-j", "2",
                          "--timeout", "300", "--output-junit", str(report)])
        return self.from_junit(report, code, show=True)

    def integration(self):
        return self.pytest("integration", ROOT, "tests/integration")

    def scenarios(self):
        """One list of what backends may rely on, from Python, from Go and from a shell."""
        return self.pytest("scenarios", ROOT, "tests/scenarios")

    def python_client(self):
        return self.pytest("python_client", ROOT / "clients" / "python", "tests")

    def go_client(self):
        if shutil.which("go") is None:
            print("SKIP go_client: go not found")
            return Counts(skipped=1)
        run = subprocess.run(["go", "test", "-count=1", "-v", "./..."], cwd=ROOT / "clients" / "go", env=self.environment,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=900)
        counts = Counts(*(len(re.findall(rf"^\s*--- {word}: ", run.stdout, re.M)) for word in ("PASS", "FAIL", "SKIP")))
        counts.names = re.findall(r"^\s*--- (?:FAIL|SKIP): (\S+)", run.stdout, re.M)
        if run.returncode != 0:
            print(run.stdout)
            counts.failed = max(counts.failed, 1)
        if counts.passed + counts.failed + counts.skipped == 0:
            counts.failed = 1
        return counts

    def demo(self):
        """The README's first command, as a stranger runs it."""
        run = subprocess.run(["./dev", "demo"], cwd=ROOT, env=self.environment, stdout=subprocess.PIPE, text=True, timeout=1500)
        print(run.stdout, end="")
        good = run.returncode == 0 and run.stdout.rstrip().endswith("demo ok")
        return Counts(passed=1) if good else Counts(failed=1)

    # --- Counting ---

    def pytest(self, name, cwd, folder):
        report = self.reports / f"{name}.xml"
        report.unlink(missing_ok=True)
        code = self.call([PYTHON, "-m", "pytest", "-q", "--no-header", "-rs",
                          "-p", "no:cacheprovider", f"--junitxml={report}", folder], cwd=cwd)
        return self.from_junit(report, code)

    def from_junit(self, report, code, show=False):
        """The report's counts and the names of what failed or was skipped; `show` prints what the failed ones wrote."""
        counts = Counts()
        if report.exists():
            for suite in xml.etree.ElementTree.parse(report).getroot().iter("testsuite"):
                total = int(suite.get("tests", 0))
                bad = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
                skipped = int(suite.get("skipped", 0)) + int(suite.get("disabled", 0))
                counts.add(Counts(total - bad - skipped, bad, skipped))
                for case in suite.iter("testcase"):
                    if all(case.find(word) is None for word in ("failure", "error", "skipped")):
                        continue
                    room, name = case.get("classname"), case.get("name")
                    counts.names.append(name if room == name else f"{room}.{name}")
                    if show:
                        print(f"--- {name}\n{case.findtext('system-out', '')}")
        if code != 0 and counts.failed == 0 or counts.passed + counts.failed + counts.skipped == 0:
            counts.failed += 1
            counts.names.append(report.stem)
        return counts


SUITES = ["layers", "protos", "stubs", "docs", "unit", "integration", "scenarios", "python_client", "go_client", "demo"]
SANITIZED = ["unit", "integration"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("suites", nargs="*", metavar="SUITE", help=", ".join(SUITES))
    parser.add_argument("--sanitizer", choices=["asan", "tsan"])
    options = parser.parse_args()
    unknown = set(options.suites) - set(SUITES)
    if unknown:
        parser.error(f"no such suite: {', '.join(sorted(unknown))}; there are {', '.join(SUITES)}")
    run = Run(ROOT / "build" / (options.sanitizer or "dev"), options.sanitizer)
    total = Counts()
    summary = []
    for name in options.suites or (SANITIZED if options.sanitizer else SUITES):
        print(f"--- {name}", flush=True)
        began = time.monotonic()
        counts = getattr(run, name)()
        if counts.failed and not counts.names:
            counts.names.append(name)
        summary.append(f"{name:14} {counts}  ({time.monotonic() - began:.0f} s)")
        total.add(counts)
    print("\n" + "\n".join(summary))
    for name in total.names:
        print(f"failed or skipped: {name}")
    print(total, flush=True)
    if total.failed or (total.skipped and os.environ.get("CI")):
        if total.skipped and os.environ.get("CI"):
            print("a skip is a failure in CI", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
