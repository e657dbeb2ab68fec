"""docker-py against the daemon at DOCKER_HOST: a line for each check."""
import io
import os
import tarfile
import threading
import time
import traceback

import docker
from docker.errors import APIError, ContainerError, ImageNotFound, NotFound

IMAGE = os.environ["DRYDOCK_IMAGE"]
client = docker.from_env()
failed = False


def check(name):
    def run(act):
        global failed
        try:
            act()
            print(f"ok {name}", flush=True)
        except Exception as e:
            failed = True
            print(f"FAILED {name}: {type(e).__name__}: {e} at line {traceback.extract_tb(e.__traceback__)[1].lineno}", flush=True)
    return run


def expect(seen, wanted):
    assert seen == wanted, f"expected {wanted!r}, got {seen!r}"


def refused(kind, act):
    try:
        act()
    except kind as e:
        return e
    raise AssertionError(f"expected {kind.__name__}")


@check("ping, version, info, df")
def _():
    assert client.ping()
    assert client.version()["ApiVersion"]
    assert client.info()["DockerRootDir"]
    assert "Images" in client.df()


@check("containers.run: output, stderr, errors")
def _():
    expect(client.containers.run(IMAGE, "echo hi", remove=True), b"hi\n")
    expect(client.containers.run(IMAGE, ["sh", "-c", "echo err >&2"], remove=True, stdout=False, stderr=True), b"err\n")
    error = refused(ContainerError, lambda: client.containers.run(IMAGE, ["sh", "-c", "echo why >&2; exit 3"], remove=True))
    expect(error.exit_status, 3)
    expect(error.stderr, b"why\n")
    refused(ImageNotFound, lambda: client.images.get("no/such:image"))
    refused(NotFound, lambda: client.containers.get("nobody"))


@check("containers: options reach the container")
def _():
    c = client.containers.run(
        IMAGE, ["sleep", "600"], detach=True, name="one", hostname="named", environment={"A": "b"}, labels={"k": "v"},
        mem_limit="64m", cap_add=["NET_ADMIN"], cap_drop=["CHOWN"], ulimits=[docker.types.Ulimit(name="nofile", soft=99, hard=100)],
        tmpfs={"/t": "size=1m"}, shm_size="8m", sysctls={"net.ipv4.ip_default_ttl": "44"}, devices=["/dev/null:/dev/mine:rwm"],
        working_dir="/tmp", security_opt=["no-new-privileges"], group_add=["7"], read_only=True, init=True, pids_limit=50,
        ports={"80/tcp": ("127.0.0.1", None)}, restart_policy={"Name": "on-failure", "MaximumRetryCount": 2},
        log_config=docker.types.LogConfig(type="json-file", config={"max-size": "1m"}))
    code, out = c.exec_run(["sh", "-c", "hostname; echo $A; pwd; ulimit -n; cat /proc/sys/net/ipv4/ip_default_ttl; test -c /dev/mine && echo device"])
    expect((code, out), (0, b"named\nb\n/tmp\n99\n44\ndevice\n"))
    c.reload()
    expect(c.attrs["HostConfig"]["CapAdd"], ["NET_ADMIN"])
    expect(c.attrs["HostConfig"]["Memory"], 64 << 20)
    expect(c.labels["k"], "v")
    assert c.ports["80/tcp"][0]["HostPort"] != "0", c.ports
    expect(c.status, "running")
    c.rename("two")
    c.update(mem_limit="96m", memswap_limit=-1)
    c.reload()
    expect((c.name, c.attrs["HostConfig"]["Memory"]), ("two", 96 << 20))
    c.pause()
    c.unpause()
    assert any("sleep" in " ".join(p) for p in c.top()["Processes"])
    expect(c.stats(stream=False)["name"], "/two")
    c.kill("SIGKILL")
    expect(c.wait()["StatusCode"], 137)
    c.remove(v=True)


@check("exec: exit code, demux, stdin by a socket, inspect")
def _():
    c = client.containers.run(IMAGE, ["sleep", "600"], detach=True)
    expect(c.exec_run(["sh", "-c", "echo o; echo e >&2; exit 5"], demux=True), (5, (b"o\n", b"e\n")))
    expect(c.exec_run("no-such-program").exit_code, 127)
    made = client.api.exec_create(c.id, ["cat"], stdin=True, stdout=True)
    sock = client.api.exec_start(made["Id"], socket=True)
    sock._sock.sendall(b"through\n")
    sock._sock.shutdown(1)
    data = b""
    while part := sock._sock.recv(100):
        data += part
    expect(data[8:], b"through\n")
    expect(client.api.exec_inspect(made["Id"])["ExitCode"], 0)
    c.remove(force=True)


@check("attach, logs: follow, tail, since, timestamps")
def _():
    c = client.containers.run(IMAGE, ["sh", "-c", "for i in 1 2 3; do echo $i; sleep 0.1; done; echo err >&2"], detach=True)
    expect(b"".join(c.logs(stream=True, follow=True, stderr=False)), b"1\n2\n3\n")
    expect(c.logs(tail=1), b"err\n")
    expect(c.logs(stdout=False), b"err\n")
    assert c.logs(timestamps=True).startswith(b"20")
    expect(c.logs(since=int(time.time()) + 100), b"")
    c.remove()
    c = client.containers.create(IMAGE, ["cat"], stdin_open=True)
    sock = c.attach_socket(params={"stdin": 1, "stdout": 1, "stream": 1})
    c.start()
    sock._sock.sendall(b"word\n")
    sock._sock.shutdown(1)
    expect(sock._sock.recv(100)[8:], b"word\n")
    c.remove(force=True)


@check("archives: put, get, of one that does not run")
def _():
    c = client.containers.create(IMAGE, ["cat", "/tmp/f"])
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        one = tarfile.TarInfo("f")
        one.size = 5
        one.uid = one.gid = 1234
        tar.addfile(one, io.BytesIO(b"word\n"))
    assert c.put_archive("/tmp", data.getvalue())
    bits, stat = c.get_archive("/tmp/f")
    expect((stat["name"], stat["size"]), ("f", 5))
    with tarfile.open(fileobj=io.BytesIO(b"".join(bits))) as tar:
        expect(tar.extractfile("f").read(), b"word\n")
    refused(NotFound, lambda: c.put_archive("/no/such", data.getvalue()))
    refused(NotFound, lambda: c.get_archive("/no/such"))
    c.start()
    c.wait()
    expect(c.logs(), b"word\n")
    assert {"Path": "/tmp/f", "Kind": 1} in c.diff()
    image = c.commit("docker-py", tag="1", conf={"Cmd": ["echo", "committed"]})
    expect(client.containers.run(image.id, remove=True), b"committed\n")
    c.remove()
    client.images.remove("docker-py:1")


@check("images: build, tag, list, history, save, load, remove")
def _():
    image, log = client.images.build(fileobj=io.BytesIO(f"FROM {IMAGE}\nLABEL a=b\nRUN echo x > /y\n".encode()), tag="built:1")
    expect(image.labels["a"], "b")
    assert any("Successfully built" in l.get("stream", "") for l in log)
    assert image.tag("built", "2")
    assert "built:2" in client.images.get("built:1").tags
    assert image.history()
    data = b"".join(image.save(named=True))
    client.images.remove("built:1")
    client.images.remove("built:2")
    assert client.images.load(data)
    expect(client.containers.run(image.id, "cat /y", remove=True), b"x\n")
    client.images.remove(image.id, force=True)
    error = refused(docker.errors.BuildError,
                    lambda: client.images.build(fileobj=io.BytesIO(f"FROM {IMAGE}\nRUN exit 4\n".encode())))
    assert "returned a non-zero code: 4" in str(error), error


@check("networks: create, connect, names, disconnect, prune")
def _():
    net = client.networks.create("mine", driver="bridge", labels={"a": "b"},
                                 ipam=docker.types.IPAMConfig(pool_configs=[docker.types.IPAMPool(subnet="10.213.0.0/24")]))
    c = client.containers.run(IMAGE, ["sleep", "600"], detach=True, name="reached")
    net.connect(c, aliases=["other"], ipv4_address="10.213.0.9")
    assert b"10.213.0.9" in client.containers.run(IMAGE, "ping -c1 -W5 other", network="mine", remove=True)
    net.reload()
    expect([x.name for x in net.containers], ["reached"])
    refused(APIError, net.remove)
    net.disconnect(c)
    net.remove()
    c.remove(force=True)
    refused(NotFound, lambda: client.networks.get("mine"))


@check("volumes: create, use, conflict, prune")
def _():
    v = client.volumes.create("vol", labels={"a": "b"})
    client.containers.run(IMAGE, ["sh", "-c", "echo x > /v/f"], volumes={"vol": {"bind": "/v", "mode": "rw"}}, remove=True)
    c = client.containers.create(IMAGE, ["cat", "/v/f"], mounts=[docker.types.Mount("/v", "vol", read_only=True)])
    expect(refused(APIError, v.remove).status_code, 409)
    c.start()
    c.wait()
    expect(c.logs(), b"x\n")
    c.remove()
    expect([x.name for x in client.volumes.list(filters={"label": "a=b"})], ["vol"])
    client.volumes.prune(filters={"all": True})
    expect(client.volumes.list(), [])


@check("events: as they happen, and those before")
def _():
    began = int(time.time())
    seen = []
    events = client.events(decode=True, filters={"type": "container", "event": ["start", "die", "destroy"]})
    reader = threading.Thread(target=lambda: [seen.append(e["Action"]) for e in events])
    reader.start()
    client.containers.run(IMAGE, "true", remove=True)
    deadline = time.monotonic() + 10
    while len(seen) < 3 and time.monotonic() < deadline:
        time.sleep(0.02)
    events.close()
    expect(seen[:3], ["start", "die", "destroy"])
    assert list(client.events(since=began, until=int(time.time()) + 1, decode=True))


@check("restart, stop, healthcheck, prune")
def _():
    c = client.containers.run(IMAGE, ["sleep", "600"], detach=True, init=True,
                              healthcheck={"test": ["CMD", "true"], "interval": 200 * 1000000})
    deadline = time.monotonic() + 10
    while c.attrs["State"].get("Health", {}).get("Status") != "healthy" and time.monotonic() < deadline:
        time.sleep(0.05)
        c.reload()
    expect(c.attrs["State"]["Health"]["Status"], "healthy")
    c.restart(timeout=0)
    c.stop(timeout=5)
    c.reload()
    expect(c.status, "exited")
    expect(len(client.containers.prune()["ContainersDeleted"]), 1)


@check("low level: attach over a WebSocket is optional; resize, wait conditions")
def _():
    c = client.containers.create(IMAGE, ["sh", "-c", "exit 6"], tty=True)
    results = []
    waiter = threading.Thread(target=lambda: results.append(c.wait(condition="next-exit")["StatusCode"]))
    waiter.start()
    time.sleep(0.2)
    c.start()
    waiter.join(20)
    expect(results, [6])
    expect(c.wait()["StatusCode"], 6)
    c.remove()


raise SystemExit(1 if failed else 0)
