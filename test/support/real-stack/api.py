"""Versions of the API as its stack serves them: FastAPI on uvicorn, each version on a port of its own.

Usage: api.py SECRET GATEWAYS. Prints one line of JSON, {"versions": {"version": port}, "gateways": [port]}. Starts the
command of an nginx, given as a JSON list on a line of stdin, which listens on the gateways' ports. Ends with stdin.
"""

import asyncio
import base64
import hashlib
import hmac
import json
import os
import socket
import subprocess
import sys
import threading
import time

import uvicorn
from fastapi import Depends, FastAPI, Form, HTTPException, Query, WebSocket
from fastapi.responses import JSONResponse
from fastapi.security import OAuth2PasswordBearer, OAuth2PasswordRequestForm
from starlette.middleware.trustedhost import TrustedHostMiddleware

SECRET = sys.argv[1]
ENDPOINTS = ("devices", "agents", "rules", "system")
CREDENTIALS_ERROR = HTTPException(401, "Could not validate credentials", {"WWW-Authenticate": "Bearer"})


def encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def signature(text: str, secret: str) -> str:
    return encode(hmac.new(secret.encode(), text.encode(), hashlib.sha256).digest())


def token_for(user: str, life_seconds: float, secret: str) -> str:
    claims = {"sub": user, "exp": int(time.time() + life_seconds)}
    text = ".".join(encode(json.dumps(part).encode()) for part in ({"alg": "HS256", "typ": "JWT"}, claims))
    return f"{text}.{signature(text, secret)}"


def user_of(token: str | None) -> str | None:
    """The user that a valid token stands for."""
    try:
        text, _, signed = (token or "").rpartition(".")
        if not hmac.compare_digest(signed, signature(text, SECRET)):
            return None
        claims = json.loads(base64.urlsafe_b64decode(text.split(".")[1] + "=="))
        return claims["sub"] if claims["exp"] > time.time() else None
    except (ValueError, IndexError, KeyError):
        return None


async def send_events(websocket: WebSocket, endpoint: str) -> None:
    kind = endpoint.removesuffix("s")
    number = 0
    while True:
        number += 1
        event = {"type": f"{kind}.status_update", "subject": f"opmas.{endpoint}.1", "data": {"number": number}}
        await websocket.send_text(json.dumps(event))
        await asyncio.sleep(0.05)


def rest_api(has_me: bool = True, fails: bool = False) -> FastAPI:
    """Health, login, refresh and me. The user name chooses the tokens that a login gives out."""
    app = FastAPI()

    @app.get("/health")
    def health():
        return {"status": "healthy"}

    @app.post("/api/v1/auth/login")
    def login(form: OAuth2PasswordRequestForm = Depends()):
        if form.password != "secret":
            raise HTTPException(401, "Incorrect username or password", {"WWW-Authenticate": "Bearer"})
        secret = "the key before the restart" if form.username == "forged" else SECRET
        life_seconds = -3600 if form.username.startswith("expired") else 3600
        answer = {"access_token": token_for(form.username, life_seconds, secret), "token_type": "bearer"}
        if form.username == "expired-with-refresh":
            answer["refresh_token"] = "refresh"
        return answer

    # The form of the document is not the one that this route takes, so FastAPI answers 422.
    @app.post("/api/v1/auth/refresh")
    def refresh(device: int = Form(), refresh_token: str = Form()):
        return {"access_token": token_for("admin", 3600, SECRET), "device": device, "used": refresh_token}

    if has_me:

        @app.get("/api/v1/auth/me")
        def me(token: str = Depends(OAuth2PasswordBearer("/api/v1/auth/login"))):
            if fails:
                raise RuntimeError("the database is gone")
            user = user_of(token)
            if user is None:
                raise CREDENTIALS_ERROR
            return {"id": 1, "username": user, "email": "admin@example.org", "is_active": True}

    return app


def usual(**options) -> FastAPI:
    """Refuses before it accepts: a bare 403 for a bad token, for a missing one and for an unknown path."""
    app = rest_api(**options)

    @app.websocket("/api/v1/ws/{endpoint}")
    async def stream(websocket: WebSocket, endpoint: str, token: str = Query()):
        if endpoint not in ENDPOINTS or user_of(token) is None:
            await websocket.close(4001)
            return
        await websocket.accept()
        await send_events(websocket, endpoint)

    return app


def accepts_first(wait_seconds: float = 0) -> FastAPI:
    """Closes with 4001 as documented, after it has accepted."""
    app = rest_api()

    @app.websocket("/api/v1/ws/{endpoint}")
    async def stream(websocket: WebSocket, endpoint: str, token: str | None = None):
        await websocket.accept()
        if user_of(token) is None:
            await asyncio.sleep(wait_seconds)
            await websocket.close(4001, "Authentication failed")
            return
        await send_events(websocket, endpoint)

    return app


def wants_first_message() -> FastAPI:
    """Takes the token in a message after the upgrade, and none in the query."""
    app = rest_api()

    @app.websocket("/api/v1/ws/{endpoint}")
    async def stream(websocket: WebSocket, endpoint: str):
        await websocket.accept()
        try:
            message = json.loads(await asyncio.wait_for(websocket.receive_text(), 0.1))
        except (TimeoutError, ValueError):
            message = {}
        if user_of(message.get("token")) is None:
            await websocket.close(4001, "Authentication message expected")
            return
        await send_events(websocket, endpoint)

    return app


def with_rights() -> FastAPI:
    """Refuses some endpoints to users with a good token, each in another way."""
    app = rest_api()

    @app.websocket("/api/v1/ws/device/{id}")
    async def device(websocket: WebSocket, id: str, client: str = Query(), token: str = Query()):
        await websocket.accept()

    @app.websocket("/api/v1/ws/{endpoint}")
    async def stream(websocket: WebSocket, endpoint: str, token: str = Query()):
        denials = {"rules": "Not enough permissions", "agents": "Origin not allowed"}
        if endpoint in denials:
            await websocket.send_denial_response(JSONResponse({"detail": denials[endpoint]}, 403))
        elif endpoint != "devices" or user_of(token) is None:
            await websocket.close(1008)
        else:
            await websocket.accept()
            await send_events(websocket, endpoint)

    return app


def takes_no_token() -> FastAPI:
    """Streams for everybody and, through a bug, refuses every token."""
    app = rest_api()

    @app.websocket("/api/v1/ws/{endpoint}")
    async def stream(websocket: WebSocket, endpoint: str, token: str | None = None):
        if token is not None:
            await websocket.close(1008)
            return
        await websocket.accept()
        await send_events(websocket, endpoint)

    return app


def checks_host() -> FastAPI:
    app = usual()
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=["opmas.example.org"])
    return app


def fails() -> FastAPI:
    app = rest_api(fails=True)

    @app.websocket("/api/v1/ws/{endpoint}")
    async def stream(websocket: WebSocket, endpoint: str):
        raise RuntimeError("the database is gone")

    return app


def another_service() -> FastAPI:
    """Has a health check, as most services do, and nothing else of this API."""
    app = FastAPI()

    @app.get("/health")
    def health():
        return {"status": "UP"}

    return app


VERSIONS = {
    "usual": usual(),
    "accepts first": accepts_first(),
    "accepts first and waits": accepts_first(0.3),
    "wants a first message": wants_first_message(),
    "with rights": with_rights(),
    "takes no token": takes_no_token(),
    "without me": usual(has_me=False),
    "checks the host": checks_host(),
    "fails": fails(),
    "another service": another_service(),
    "without WebSockets": usual(),
}


def held_port() -> socket.socket:
    """A port that only a program of the same user can listen on, with SO_REUSEPORT as well: nobody else can get it."""
    holder = socket.socket()
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    holder.bind(("127.0.0.1", 0))
    return holder


def port_of(bound: socket.socket) -> int:
    return bound.getsockname()[1]


def run_nginx(command: list[str]) -> None:
    nginx = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=sys.stderr)
    threading.Thread(target=lambda: os._exit(nginx.wait() or 1), daemon=True).start()
    sys.stdin.read()
    nginx.kill()


def follow_stdin() -> None:
    line = sys.stdin.readline()
    if line:
        run_nginx(json.loads(line))
    os._exit(0)


async def serve_all() -> None:
    ports, servers = {}, []
    for version, app in VERSIONS.items():
        listener = socket.create_server(("127.0.0.1", 0))
        ports[version] = port_of(listener)
        protocol = "none" if version == "without WebSockets" else "auto"
        config = uvicorn.Config(app, ws=protocol, lifespan="off", log_level="critical")
        servers.append(uvicorn.Server(config).serve(sockets=[listener]))
    gateways = [held_port() for _ in range(int(sys.argv[2]))]
    print(json.dumps({"versions": ports, "gateways": [port_of(gateway) for gateway in gateways]}), flush=True)
    threading.Thread(target=follow_stdin, daemon=True).start()
    await asyncio.gather(*servers)


asyncio.run(serve_all())
