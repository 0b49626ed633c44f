"""
The SDK ably from PyPI, driven by JSON lines: commands on standard input, what happens on standard output.

Runs in an environment of its own, which has that SDK and nothing of ours. tests/testbed/sdk.py is the other end.
"""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import sys

from ably import AblyRealtime, AblyRest
from ably.types.channeloptions import ChannelOptions
from ably.types.message import Message
from ably.types.tokendetails import TokenDetails
from ably.util.crypto import get_default_params

REQUEST_TIMEOUT_MS = 3_000  # an attempt whose socket was reset in the handshake is only given up by this timer


def say(**line):
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def fault_of(error):
    if error is None:
        return None
    return {"code": getattr(error, "code", None), "status": getattr(error, "status_code", None), "message": str(error)}


def shown(message):
    data = message.data
    if isinstance(data, bytes | bytearray):
        data = {"bytes": base64.b64encode(data).decode()}
    fields = {
        "id": message.id,
        "name": message.name,
        "data": data,
        "encoding": message.encoding,
        "clientId": message.client_id,
        "timestamp": message.timestamp,
        "extras": message.extras,
        "serial": message.serial,
    }
    return {name: value for name, value in fields.items() if value is not None}


def meant(message):
    data = message.get("data")
    if isinstance(data, dict) and "bytes" in data:
        data = base64.b64decode(data["bytes"])
    return Message(
        id=message.get("id"),
        name=message.get("name"),
        data=data,
        client_id=message.get("clientId"),
        extras=message.get("extras"),
    )


def details_of(token):
    """As an app of this SDK must answer: to a bare token it says that the clientId changes to None (40102)."""
    claims = token.split(".")[1]
    found = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
    return TokenDetails(token=token, client_id=found.get("x-ably-clientId"))


class Driver:
    def __init__(self):
        self._client = None
        self._asked = 0
        self._tokens_awaited = {}
        self._watched = set()

    async def connect(self, **options):
        self._client = client = AblyRealtime(**self._options(is_realtime=True, **options))

        def tell(change):
            say(
                event="connection",
                kind=change.event.value,
                state=change.current.value,
                id=client.connection.connection_manager.connection_id,
                reason=fault_of(change.reason),
            )

        client.connection.on(tell)

    async def attach(self, channel, params=None, cipher=None):
        asked = {"params": params, "cipher": get_default_params(cipher) if cipher else None}
        found = self._client.channels.get(channel, ChannelOptions(**asked) if params or cipher else None)
        if channel in self._watched:
            await found.attach()
        else:
            self._watched.add(channel)
            found.on(self._tell_of_channel(found.name))
            await found.subscribe(lambda message: say(event="message", channel=found.name, message=shown(message)))
        return {"params": found.params}

    async def publish(self, channel, messages):
        result = await self._client.channels.get(channel).publish([meant(message) for message in messages])
        return {"serials": getattr(result, "serials", None)}

    def _tell_of_channel(self, name):
        def tell(change):
            say(
                event="channel",
                channel=name,
                state=change.current.value,
                resumed=change.resumed,
                reason=fault_of(change.reason),
            )

        return tell

    async def detach(self, channel):
        await self._client.channels.get(channel).detach()

    async def token(self, ask, token):
        is_object = isinstance(token, dict)  # a TokenRequest or TokenDetails
        self._tokens_awaited.pop(ask).set_result(token if is_object else details_of(token))

    async def authorize(self):
        await self._client.auth.authorize()

    async def history(self, channel, params, options):
        async with AblyRest(**self._options(is_realtime=False, **options)) as rest:
            page = await rest.channels.get(channel).history(**params)
            return {"messages": [shown(message) for message in page.items], "hasNext": page.has_next()}

    async def walk(self, channel, params, options):
        pages = []
        async with AblyRest(**self._options(is_realtime=False, **options)) as rest:
            page = await rest.channels.get(channel).history(**params)
            while page is not None:
                pages.append([shown(message) for message in page.items])
                page = await page.next()
        return {"pages": pages}

    async def status(self, channel, options):
        async with AblyRest(**self._options(is_realtime=False, **options)) as rest:
            details = await rest.channels.get(channel).status()
        metrics = details.status.occupancy.metrics
        counted = {"connections": metrics.connections, "publishers": metrics.publishers}
        occupancy = {"metrics": counted | {"subscribers": metrics.subscribers}}
        return {
            "channelId": details.channel_id,
            "status": {"isActive": details.status.is_active, "occupancy": occupancy},
        }

    async def tokenRequest(self, params, options):  # noqa: N802 -- as the line names it
        async with AblyRest(**self._options(is_realtime=False, **options)) as rest:
            return {"request": (await rest.auth.create_token_request(params)).to_dict()}

    async def exchange(self, request, options):
        async def hand_over(_params):
            return request

        async with AblyRest(**self._options(is_realtime=False, **options), auth_callback=hand_over) as rest:
            details = (await rest.auth.request_token()).to_dict()
        return {name: details[name] for name in ("token", "issued", "expires", "clientId")}

    async def restPublish(self, channel, messages, options):  # noqa: N802 -- the name is that of the line
        async with AblyRest(**self._options(is_realtime=False, **options)) as rest:
            result = await rest.channels.get(channel).publish([meant(message) for message in messages])
            return {"serials": getattr(result, "serials", None)}

    async def time(self, options):
        async with AblyRest(**self._options(is_realtime=False, **options)) as rest:
            return {"milliseconds": await rest.time()}

    async def close(self):
        await self._client.close()

    async def _ask_for_token(self, params):
        self._asked += 1
        awaited = self._tokens_awaited[self._asked] = asyncio.get_running_loop().create_future()
        say(event="token wanted", ask=self._asked, clientId=params.get("client_id"))
        return await awaited

    def _options(
        self,
        *,
        is_realtime,
        host,
        port,
        isBinary,  # noqa: N803 -- the names are those of the lines
        retrySeconds,  # noqa: N803
        healthUrl,  # noqa: N803
        key=None,
        token=None,
        authUrl=None,  # noqa: N803
        asksForTokens=False,  # noqa: N803
        usesTokens=None,  # noqa: N803
        isSecure=False,  # noqa: N803
        clientId=None,  # noqa: N803
        fallbackHosts=(),  # noqa: N803
    ):
        options = {
            # The realtime client leaves `port` out of its address; written like this, it is in the host.
            "endpoint": f"{host}:{port}" if is_realtime else host,
            "fallback_hosts": [f"{host}:{port}" for host in fallbackHosts],
            "port": port,
            "tls_port": port,
            "tls": isSecure,
            "use_binary_protocol": isBinary,
            "disconnected_retry_timeout": retrySeconds * 1000,
            "suspended_retry_timeout": retrySeconds * 1000,
            "realtime_request_timeout": REQUEST_TIMEOUT_MS,
            "connectivity_check_url": healthUrl,
            "key": key,
            "token": token,
            "auth_url": authUrl,
            "auth_callback": self._ask_for_token if asksForTokens else None,
            "use_token_auth": usesTokens,
            "client_id": clientId,
        }
        return {name: value for name, value in options.items() if value is not None}

    async def obey(self, number, command, **arguments):
        try:
            result = await getattr(self, command)(**arguments)
        except Exception as error:  # noqa: BLE001 -- not only its own: publish raises what the socket raised
            say(answer=number, fault=fault_of(error))
        else:
            say(answer=number, result=result or {})


async def main():
    logging.disable(logging.CRITICAL)
    lines = asyncio.StreamReader(limit=1 << 20)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    driver, running = Driver(), set()
    while line := await lines.readline():
        task = asyncio.create_task(driver.obey(**json.loads(line)))
        running.add(task)
        task.add_done_callback(running.discard)


asyncio.run(main())
