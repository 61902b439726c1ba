"""Runs a test's coroutine on an event loop that may not hear of any error."""

import asyncio


def run_on(factory, work):
    failures = []

    async def watched():
        asyncio.get_running_loop().set_exception_handler(
            lambda _, context: failures.append(context)
        )
        return await work

    with asyncio.Runner(loop_factory=factory) as runner:
        result = runner.run(watched())
    assert not failures, failures
    return result
