// dockerode against the daemon at DOCKER_HOST: a line for each check.
import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import Docker from "dockerode";

const docker = new Docker();
const Image = process.env.DRYDOCK_IMAGE;
let failed = false;

async function check(name, act) {
    const late = new Promise((_, no) => setTimeout(() => no(new Error("took longer than 60 s")), 60_000).unref());
    try {
        await Promise.race([act(), late]);
        console.log(`ok ${name}`);
    } catch (e) {
        failed = true;
        const line = /dockerode\.mjs:(\d+)/.exec(e.stack ?? "")?.[1];
        console.log(`FAILED ${name}: ${String(e.message).split("\n").join(" ")} (line ${line})`);
    }
}

function collected(stream) {
    return new Promise((yes, no) => {
        const parts = [];
        stream.on("data", (part) => parts.push(part));
        stream.on("end", () => yes(Buffer.concat(parts).toString()));
        stream.on("close", () => yes(Buffer.concat(parts).toString()));
        stream.on("error", no);
    });
}

/// What came framed: [standard output, standard error].
async function demuxed(stream) {
    const out = new PassThrough();
    const err = new PassThrough();
    docker.modem.demuxStream(stream, out, err);
    const ended = new Promise((yes) => { stream.on("end", yes); stream.on("close", yes); });
    const texts = [collected(out), collected(err)];
    await ended;
    out.end();
    err.end();
    return Promise.all(texts);
}

async function made(options) {
    return docker.createContainer({ Image, ...options });
}

await check("ping, version, info", async () => {
    assert.equal((await docker.ping()).toString(), "OK");
    assert.ok((await docker.version()).ApiVersion);
    assert.ok((await docker.info()).ServerVersion);
});

await check("run: output and status", async () => {
    const out = new PassThrough();
    const text = collected(out);
    const [result, container] = await docker.run(Image, ["sh", "-c", "echo hi; exit 3"], out);
    out.end();
    assert.equal(result.StatusCode, 3);
    assert.match(await text, /hi/);
    await container.remove();
});

for (const hijack of [true, false]) {
    await check(`attach ${hijack ? "with" : "without"} hijack`, async () => {
        const container = await made({ Cmd: ["cat"], OpenStdin: true, StdinOnce: true });
        const stream = await container.attach({ stream: true, stdin: hijack, stdout: true, stderr: true, hijack });
        const texts = demuxed(stream);
        await container.start();
        if (hijack) {
            stream.write("word\n");
            stream.end();
        } else {
            const input = await container.attach({ stream: true, stdin: true, hijack: true });
            input.write("word\n");
            input.end();
        }
        assert.deepEqual(await texts, ["word\n", ""]);
        assert.equal((await container.wait()).StatusCode, 0);
        await container.remove();
    });

    await check(`exec ${hijack ? "with" : "without"} hijack`, async () => {
        const container = await made({ Cmd: ["sleep", "600"] });
        await container.start();
        const exec = await container.exec({ Cmd: ["sh", "-c", "echo out; echo err >&2; exit 4"], AttachStdout: true, AttachStderr: true });
        const stream = await exec.start(hijack ? { hijack: true } : {});
        assert.deepEqual(await demuxed(stream), ["out\n", "err\n"]);
        const seen = await exec.inspect();
        assert.equal(seen.ExitCode, 4);
        assert.equal(seen.Running, false);
        if (hijack) {
            const reader = await container.exec({ Cmd: ["cat"], AttachStdin: true, AttachStdout: true });
            const talk = await reader.start({ hijack: true, stdin: true });
            const texts = demuxed(talk);
            talk.write("through\n");
            talk.end();
            assert.deepEqual(await texts, ["through\n", ""]);
        }
        await container.remove({ force: true });
    });
}

await check("logs: as a buffer, and followed", async () => {
    const container = await made({ Cmd: ["sh", "-c", "echo one; echo two >&2"] });
    await container.start();
    await container.wait();
    const buffer = await container.logs({ stdout: true, stderr: true });
    assert.match(buffer.toString(), /one/);
    const [out, err] = await demuxed(await container.logs({ follow: true, stdout: true, stderr: true }));
    assert.deepEqual([out, err], ["one\n", "two\n"]);
    await container.remove();
});

await check("inspect, list with filters, rename, stats, top, archives", async () => {
    const container = await made({ Cmd: ["sleep", "600"], name: "named", Labels: { a: "b" }, ExposedPorts: { "80/tcp": {} },
        HostConfig: { PortBindings: { "80/tcp": [{ HostIp: "127.0.0.1", HostPort: "0" }] }, CapAdd: ["NET_ADMIN"] } });
    await container.start();
    const seen = await container.inspect();
    assert.ok(Number(seen.NetworkSettings.Ports["80/tcp"][0].HostPort) > 0);
    assert.deepEqual(seen.HostConfig.CapAdd, ["NET_ADMIN"]);
    assert.equal((await docker.listContainers({ filters: { label: ["a=b"] } })).length, 1);
    await container.rename({ name: "other" });
    assert.ok((await container.stats({ stream: false })).cpu_stats);
    assert.ok((await container.top()).Processes.length > 0);
    const archive = await collected(await container.getArchive({ path: "/etc/passwd" }));
    assert.match(archive, /root/);
    await container.stop({ t: 0 });
    await container.remove({ v: true });
});

await check("images: build, inspect, history, remove; errors have their status", async () => {
    const { default: tar } = await import("tar-stream");
    const pack = tar.pack();
    pack.entry({ name: "Dockerfile" }, `FROM ${Image}\nRUN echo built > /b\n`);
    pack.finalize();
    const stream = await docker.buildImage(pack, { t: "rode:1" });
    await new Promise((yes, no) => docker.modem.followProgress(stream, (e, all) => (e || all.find((o) => o.error) ? no(e ?? all) : yes(all))));
    const image = docker.getImage("rode:1");
    assert.match((await image.inspect()).Id, /^sha256:/);
    assert.ok((await image.history()).length > 0);
    await image.remove();
    await assert.rejects(docker.getImage("rode:1").inspect(), { statusCode: 404 });
    await assert.rejects(docker.getContainer("nobody").inspect(), { statusCode: 404 });
});

await check("networks, volumes, events", async () => {
    const events = await docker.getEvents({ filters: { type: ["network"] } });
    const first = new Promise((yes) => events.once("data", (part) => yes(JSON.parse(part.toString().split("\n")[0]))));
    const network = await docker.createNetwork({ Name: "rode", CheckDuplicate: true });
    assert.equal((await first).Action, "create");
    events.destroy();
    const container = await made({ Cmd: ["sleep", "600"], HostConfig: { NetworkMode: "rode" } });
    await container.start();
    assert.ok((await network.inspect()).Containers[container.id]);
    await container.remove({ force: true });
    await network.remove();
    const volume = await docker.createVolume({ Name: "rode" });
    assert.ok((await docker.listVolumes()).Volumes.some((v) => v.Name === "rode"));
    await volume.remove();
});

process.exit(failed ? 1 : 0);
