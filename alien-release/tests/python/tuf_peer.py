"""Repositories of python-tuf, good ones and attacks; and its client, reading repositories of others.

Reads one line of JSON: what to do. Writes one line of JSON: what came of it.
"""

import copy
import hashlib
import json
import os
import shutil
import sys
from datetime import datetime, timedelta, timezone

from securesystemslib.signer import CryptoSigner
from tuf.api import exceptions
from tuf.api.metadata import Key, Metadata, MetaFile, Root, Snapshot, TargetFile, Targets, Timestamp
from tuf.ngclient import Updater
from tuf.ngclient.fetcher import FetcherInterface


class Vendor:
    """Keys, and what they sign."""

    def __init__(self, now):
        self.now = now
        self.root_keys = [CryptoSigner.generate_ed25519() for _ in range(2)]
        self.release_key = CryptoSigner.generate_ed25519()
        self.online_key = CryptoSigner.generate_ed25519()
        self.root = Root(expires=now + timedelta(days=700), consistent_snapshot=True)
        for signer in self.root_keys:
            self.root.add_key(signer.public_key, "root")
        self.root.roles["root"].threshold = 2
        self.root.add_key(self.release_key.public_key, "targets")
        self.root.add_key(self.online_key.public_key, "snapshot")
        self.root.add_key(self.online_key.public_key, "timestamp")
        self.targets = Targets(expires=now + timedelta(days=300))
        self.snapshot = Snapshot(expires=now + timedelta(days=7))
        self.timestamp = Timestamp(expires=now + timedelta(days=7))
        self.files = {}

    def add(self, name, path):
        with open(path, "rb") as file:
            content = file.read()
        if name.endswith(".zip"):
            # The release names it, with digest and length: it is no target of its own.
            self.files[name] = content
            return
        self.targets.targets[name] = TargetFile.from_data(name, content, ["sha256"])
        self.files[f"{hashlib.sha256(content).hexdigest()}.{name}"] = content

    def sign(self, signed, *signers):
        metadata = Metadata(signed)
        for signer in signers:
            metadata.sign(signer, append=True)
        return metadata.to_bytes()

    def next(self):
        for signed in (self.targets, self.snapshot, self.timestamp):
            signed.version += 1

    def write_root(self, folder, *signers):
        write(folder, f"{self.root.version}.root.json", self.sign(self.root, *(signers or self.root_keys)))

    def write(self, folder):
        """Writes all but root files, with matching digests and lengths."""
        targets = self.sign(self.targets, self.release_key)
        write(folder, f"{self.targets.version}.targets.json", targets)
        self.snapshot.meta = {"targets.json": MetaFile.from_data(self.targets.version, targets, ["sha256"])}
        snapshot = self.sign(self.snapshot, self.online_key)
        write(folder, f"{self.snapshot.version}.snapshot.json", snapshot)
        self.timestamp.snapshot_meta = MetaFile.from_data(self.snapshot.version, snapshot, ["sha256"])
        write(folder, "timestamp.json", self.sign(self.timestamp, self.online_key))
        for name, content in self.files.items():
            write(folder, name, content)


def write(folder, name, content):
    with open(os.path.join(folder, name), "wb") as file:
        file.write(content)


def read(folder, name):
    with open(os.path.join(folder, name), "rb") as file:
        return file.read()


def make(order):
    """Two releases, one after the other, and the attacks that follow on the second."""
    base = order["folder"]
    vendor = Vendor(datetime.fromtimestamp(order["now"], timezone.utc))
    folder = lambda name: os.path.join(base, name)
    begin = lambda name, of: shutil.copytree(folder(of), folder(name)) and folder(name)

    os.makedirs(folder("first"))
    vendor.write_root(folder("first"))
    for name, path in order["first"].items():
        vendor.add(name, path)
    vendor.write(folder("first"))

    begin("second", "first")
    for name, path in order["second"].items():
        vendor.add(name, path)
    vendor.next()
    vendor.write(folder("second"))

    attacks(vendor, folder, begin)
    return sorted(os.listdir(base))


def attacks(vendor, folder, begin):
    # The online key was stolen, and gives the first release as the latest.
    begin("replay", "first")

    thief = copy.deepcopy(vendor)
    at = begin("freeze", "second")
    thief.timestamp.expires = thief.now - timedelta(seconds=1)
    thief.write(at)

    thief = copy.deepcopy(vendor)
    at = begin("expired", "second")
    thief.targets.expires = thief.now - timedelta(days=1)
    thief.next()
    thief.write(at)

    at = begin("mixed", "second")
    write(at, "2.snapshot.json", read(at, "1.snapshot.json"))

    at = begin("mixed-targets", "second")
    write(at, "2.targets.json", read(at, "1.targets.json"))

    thief = copy.deepcopy(vendor)
    at = begin("threshold", "second")
    stolen = CryptoSigner.generate_ed25519()
    thief.root.version = 2
    thief.root.revoke_key(thief.release_key.public_key.keyid, "targets")
    thief.root.add_key(stolen.public_key, "targets")
    thief.release_key = stolen
    thief.write_root(at, thief.root_keys[0])
    thief.next()
    thief.write(at)

    thief = copy.deepcopy(vendor)
    at = begin("stranger", "second")
    thief.release_key = CryptoSigner.generate_ed25519()
    thief.next()
    thief.write(at)

    thief = copy.deepcopy(vendor)
    at = begin("forward", "second")
    thief.timestamp.version = 2**53 - 1
    thief.write(at)

    at = begin("endless", "second")
    write(at, "timestamp.json", read(at, "timestamp.json") + b" " * (1 << 20))

    at = begin("endless-zip", "second")
    for name in os.listdir(at):
        if name.endswith(".zip"):
            write(at, name, read(at, name) + b" " * (1 << 20))

    at = begin("swapped", "second")
    for name in os.listdir(at):
        if name.endswith(".zip"):
            write(at, name, read(at, name)[::-1])

    # The online key is taken out; then a thief who has it goes on with it.
    at = begin("rotated", "second")
    old = vendor.online_key
    vendor.online_key = CryptoSigner.generate_ed25519()
    vendor.root.version = 2
    for role in ("snapshot", "timestamp"):
        vendor.root.revoke_key(old.public_key.keyid, role)
        vendor.root.add_key(vendor.online_key.public_key, role)
    vendor.write_root(at)
    thief = copy.deepcopy(vendor)
    thief.online_key = old
    thief.next()
    thief.write(at)
    at = begin("recovered", "rotated")
    vendor.next()
    vendor.write(at)


class Folder(FetcherInterface):
    """Reads a repository from a folder."""

    def __init__(self, folder):
        self.folder = folder

    def _fetch(self, url):
        path = os.path.join(self.folder, url.rsplit("/", 1)[1])
        if not os.path.isfile(path):
            raise exceptions.DownloadHTTPError("not found", 404)
        with open(path, "rb") as file:
            yield file.read()


def client(order):
    """The whole workflow of a client, on a repository that others made."""
    trust, targets = order["trust"], order["targets"]
    os.makedirs(trust, exist_ok=True)
    os.makedirs(targets, exist_ok=True)
    updater = Updater(
        trust,
        "http://repository/",
        targets,
        "http://repository/",
        fetcher=Folder(order["folder"]),
        bootstrap=order["root"].encode() if order.get("root") else None,
    )
    updater.refresh()
    found = {}
    for name in order["names"]:
        info = updater.get_targetinfo(name)
        found[name] = None if info is None else read("", updater.download_target(info)).decode()
    return found


def main():
    order = json.loads(sys.stdin.readline())
    try:
        told = {"told": {"make": make, "client": client}[order["what"]](order)}
    except (exceptions.RepositoryError, exceptions.DownloadError) as error:
        told = {"refused": f"{type(error).__name__}: {error}"}
    print(json.dumps(told))


main()
