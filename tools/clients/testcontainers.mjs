// testcontainers-node against the daemon at DOCKER_HOST: a line for each check.
import assert from "node:assert/strict";

// Its reaper is an image that would have to be pulled.
process.env.TESTCONTAINERS_RYUK_DISABLED = "true";
const { GenericContainer, Network, Wait } = await import("testcontainers");

const image = process.env.DRYDOCK_IMAGE;
let failed = false;

async function check(name, act) {
    const late = new Promise((_, no) => setTimeout(() => no(new Error("took longer than 90 s")), 90_000).unref());
    try {
        await Promise.race([act(), late]);
        console.log(`ok ${name}`);
    } catch (e) {
        failed = true;
        console.log(`FAILED ${name}: ${String(e.message).split("\n").join(" ")} ${String(e.stack).split("\n")[1]}`);
    }
}

const server = ["sh", "-c", "mkdir -p /www; cp /srv/word /www/ 2>/dev/null; echo serving; exec httpd -f -p 8080 -h /www"];

await check("a container with a port, files copied in, and a line of its log to wait for", async () => {
    const container = await new GenericContainer(image)
        .withCommand(server)
        .withExposedPorts(8080)
        .withCopyContentToContainer([{ content: "copied", target: "/srv/word" }])
        .withWaitStrategy(Wait.forLogMessage("serving"))
        .start();
    const url = `http://${container.getHost()}:${container.getMappedPort(8080)}/word`;
    let text = "";
    for (let n = 0; n < 100 && text === ""; ++n) {
        text = await fetch(url).then((r) => r.text(), () => new Promise((yes) => setTimeout(() => yes(""), 50)));
    }
    assert.equal(text, "copied");
    const seen = await container.exec(["sh", "-c", "echo out; exit 3"]);
    assert.deepEqual([seen.exitCode, seen.output], [3, "out\n"]);
    const archive = await container.copyArchiveFromContainer("/srv/word");
    assert.ok(archive);
    await container.restart();
    await container.stop();
});

await check("waiting for a port, for HTTP, and for health", async () => {
    const ported = await new GenericContainer(image).withCommand(server).withExposedPorts(8080).withWaitStrategy(Wait.forListeningPorts()).start();
    await ported.stop();
    const http = await new GenericContainer(image)
        .withCommand(["sh", "-c", "mkdir /www; echo yes > /www/index.html; exec httpd -f -p 8080 -h /www"])
        .withExposedPorts(8080)
        .withWaitStrategy(Wait.forHttp("/", 8080).forStatusCode(200))
        .start();
    await http.stop();
    const healthy = await new GenericContainer(image)
        .withCommand(["sleep", "600"])
        .withHealthCheck({ test: ["CMD-SHELL", "true"], interval: 200, timeout: 1000, retries: 3, startPeriod: 0 })
        .withWaitStrategy(Wait.forHealthCheck())
        .start();
    await healthy.stop();
});

await check("two containers that find each other in a network of their own", async () => {
    const network = await new Network().start();
    const one = await new GenericContainer(image).withCommand(server).withNetwork(network).withNetworkAliases("one")
        .withCopyContentToContainer([{ content: "reached", target: "/srv/word" }]).start();
    const two = await new GenericContainer(image).withCommand(["sleep", "600"]).withNetwork(network).start();
    const seen = await two.exec(["wget", "-q", "-O", "-", "http://one:8080/word"]);
    assert.deepEqual([seen.exitCode, seen.output], [0, "reached"]);
    await two.stop();
    await one.stop();
    await network.stop();
});

await check("options: environment, tmpfs, privileges, limits, a name that is taken", async () => {
    const container = await new GenericContainer(image).withCommand(["sleep", "600"]).withName("taken").withEnvironment({ A: "b" })
        .withTmpFs({ "/t": "rw,size=1m" }).withAddedCapabilities("NET_ADMIN").withDroppedCapabilities("CHOWN")
        .withUlimits({ nofile: { soft: 70, hard: 80 } }).withResourcesQuota({ memory: 0.1, cpu: 1 }).withSharedMemorySize(8 << 20)
        .withUser("0:0").withWorkingDir("/tmp").withLabels({ a: "b" }).start();
    const seen = await container.exec(["sh", "-c", "echo $A; ulimit -n; pwd; touch /t/x && echo written"]);
    assert.equal(seen.output, "b\n70\n/tmp\nwritten\n");
    await assert.rejects(new GenericContainer(image).withCommand(["true"]).withName("taken").start());
    await container.stop();
});

await check("an image of a Dockerfile", async () => {
    const { mkdtempSync, writeFileSync, rmSync } = await import("node:fs");
    const folder = mkdtempSync("/tmp/drydock-testcontainers-");
    writeFileSync(`${folder}/Dockerfile`, `FROM ${image}\nRUN echo built > /word\nCMD ["sleep", "600"]\n`);
    const container = await (await GenericContainer.fromDockerfile(folder).build("tc-built:1")).start();
    assert.equal((await container.exec(["cat", "/word"])).output, "built\n");
    await container.stop();
    rmSync(folder, { recursive: true });
});

process.exit(failed ? 1 : 0);
