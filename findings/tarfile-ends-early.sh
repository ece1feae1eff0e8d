#!/usr/bin/env bash
# One flipped bit in a tar's header, and Python's tarfile, with it webdataset, reads the members before it and no more: no error.
#
# One would guess: a damaged header raises `tarfile.ReadError`, as one at the start of the archive does, and a loop over a
# shard either gives all samples or fails.
#
# What happens: after the first member tarfile takes a header whose checksum is wrong for the end of the archive. So it does
# with a run of zeros, and with what `cat a.tar b.tar` puts behind the end mark of `a.tar`. webdataset 1.0.2 reads through
# tarfile, and also passes over what is no plain file: samples that are hard links, which `tar` writes for files that share
# their contents, and samples whose key begins with a dot. GNU tar reports the damaged header and exits with 2.
#
# Why people who benchmark audio care: a test split of which a part is never read gives a number that looks like any other.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet webdataset==1.0.2 2>pip.log || { cat pip.log; exit 1; }
venv/bin/python - <<'PYTHON'
import io
import platform
import sys
import tarfile
from importlib.metadata import version

from webdataset.tariterators import group_by_keys, tar_file_expander

print("Python", platform.python_version(), "webdataset", version("webdataset"))


def pack(keys, links=()):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for key in keys:
            for suffix in ("wav", "json"):
                info = tarfile.TarInfo(f"{key}.{suffix}")
                if key in links:
                    info.type, info.linkname = tarfile.LNKTYPE, f"{keys[0]}.{suffix}"
                    archive.addfile(info)
                else:
                    info.size = 2
                    archive.addfile(info, io.BytesIO(b"{}"))
    return out.getvalue()


def count(content):
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        members = len(archive.getmembers())
    return members, sum(1 for _ in group_by_keys(tar_file_expander([{"url": "", "stream": io.BytesIO(content)}])))


keys = [f"clip{index:02d}" for index in range(20)]
whole = pack(keys)
start = whole.index(b"clip03.wav")
flipped = whole[:start] + bytes([whole[start] ^ 1]) + whole[start + 1 :]
zeros = whole[:start] + bytes(512) + whole[start + 512 :]
cases = {
    "whole: 20 samples": (whole, (40, 20)),
    "one flipped bit in the header of the fourth sample": (flipped, (6, 3)),
    "that header is zeros": (zeros, (6, 3)),
    "two such tars, joined by cat: 40 samples": (whole + pack([f"b{key}" for key in keys]), (40, 20)),
    "the last 10 samples are hard links": (pack(keys, keys[10:]), (40, 10)),
    "the last 10 keys begin with a dot": (pack(keys[:10] + [f".{key}" for key in keys[10:]]), (40, 10)),
}
changed = False
for name, (content, expected) in cases.items():
    members, samples = count(content)
    print(f"{name}: tarfile reads {members} members, webdataset {samples} samples")
    changed |= (members, samples) != expected
print("CHANGED" if changed else "as described: an archive ends early, or samples are passed over, and nothing is raised")
sys.exit(changed)
PYTHON
