"""Every error that CrossModel raises, as one tree.

::

    CrossModelError
    ├── ConfigurationError          (ValueError)   a setting is wrong; nothing was started
    ├── MissingExtraError           (ImportError)  an optional dependency is not installed
    ├── InvalidInputError           (ValueError)   a value outside of what a call accepts
    │   ├── ModelRegistrationError                 a profile that cannot be registered
    │   ├── InvalidTaskRequirementError            a requirement that cannot be met by any model
    │   └── InvalidExtractionPatternError          an object that is not an extraction pattern
    ├── NotFoundError               (LookupError)  an id that nobody knows
    │   └── ModelNotFoundError
    ├── SelectionError
    │   ├── NoAvailableModelsError                 no model passes the hard filters
    │   └── BudgetExceededError                    the call could cost more than a budget has left
    ├── ProviderError                              a model could not answer
    │   ├── ProviderConnectionError                nothing came back
    │   ├── ProviderTimeoutError    (TimeoutError) no answer in time
    │   ├── ProviderAuthenticationError            the provider refused our key
    │   ├── ProviderRateLimitError                 asked too often; carries ``retry_after_seconds``
    │   └── ProviderResponseError                  the answer cannot be understood
    ├── ExtractionError                            insights could not be drawn from a text
    │   └── ExtractionTimeoutError  (TimeoutError) a pattern or a process took too long
    ├── TransferError                              insights could not be handed over
    ├── DeploymentError                            what was to run does not; what ran before does
    ├── StoreError                                 state could not be read or written
    │   └── StoreConflictError                     it contradicts what is kept already
    ├── WitnessError                               a proof could not be made
    │   └── VerificationError                      a proof that must not be believed
    └── DeploymentError                            what should run does not; what ran before does

Those that also derive from a built-in can be caught as that built-in.
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = [
    "BudgetExceededError",
    "ConfigurationError",
    "CrossModelError",
    "DeploymentError",
    "ExtractionError",
    "ExtractionTimeoutError",
    "InvalidExtractionPatternError",
    "InvalidInputError",
    "InvalidTaskRequirementError",
    "MissingExtraError",
    "ModelNotFoundError",
    "ModelRegistrationError",
    "NoAvailableModelsError",
    "NotFoundError",
    "ProviderAuthenticationError",
    "ProviderConnectionError",
    "ProviderError",
    "ProviderRateLimitError",
    "ProviderResponseError",
    "ProviderTimeoutError",
    "SelectionError",
    "StoreConflictError",
    "StoreError",
    "TransferError",
    "VerificationError",
    "WitnessError",
]

SERVER_ERROR = 500
"""HTTP statuses from here on say that the server failed, not the request (RFC 9110, 15.6)."""


class CrossModelError(Exception):
    """Base of all of them: catch this one to catch whatever the library raises on purpose."""


class ConfigurationError(CrossModelError, ValueError):
    """A setting is unknown or has a value that cannot be used.

    ``path`` is the dotted path of the key, empty where the whole file is meant.
    """

    def __init__(self, message: str, *, path: str = "") -> None:
        super().__init__(f"{path}: {message}" if path else message)
        self.path = path


class MissingExtraError(CrossModelError, ImportError):
    """Something needs an optional dependency; the message names the extra that brings it."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} needs the extra '{extra}': pip install 'crossmodel[{extra}]'")
        self.extra = extra


class InvalidInputError(CrossModelError, ValueError):
    """A value that the call cannot work with; the message says which, and what would do."""


class ModelRegistrationError(InvalidInputError):
    """A model profile or row that cannot be registered."""


class InvalidTaskRequirementError(InvalidInputError):
    """A task requirement with a field outside of its range."""


class InvalidExtractionPatternError(InvalidInputError):
    """An object without a callable ``extract(text, context)``."""


class NotFoundError(CrossModelError, LookupError):
    """An id that is not in the store, or not in the caller's tenant."""


class ModelNotFoundError(NotFoundError):
    """A model id that was never registered, or has been retired."""


class SelectionError(CrossModelError):
    """No choice could be made."""


class NoAvailableModelsError(SelectionError):
    """No registered model passes the hard filters.

    ``reasons`` maps each rejected model to why it was rejected. ``relaxation`` is the smallest
    change of the requirement that would admit one model, or ``None`` when no change would.
    """

    def __init__(
        self,
        message: str = "no model is available for this task",
        *,
        reasons: Mapping[str, str] | None = None,
        relaxation: str | None = None,
    ) -> None:
        self.reasons: dict[str, str] = dict(reasons or {})
        self.relaxation = relaxation
        shown = [f"{model}: {reason}" for model, reason in list(self.reasons.items())[:10]]
        if len(self.reasons) > len(shown):
            shown.append(f"and {len(self.reasons) - len(shown)} more")
        details = f" ({'; '.join(shown)})" if shown else ""
        advice = f". Smallest relaxation that admits one: {relaxation}" if relaxation else ""
        super().__init__(f"{message}{details}{advice}")


class BudgetExceededError(SelectionError):
    """A call could cost more than one of the budgets has left; the message names the budget.

    ``scope`` says whose budget it is: ``"key"``, ``"tenant"``, or empty for everybody's.
    ``retry_after_seconds`` is when its next period begins; ``None`` if a whole period's budget is
    too small for such a call. ``is_passing`` says that the budget may have enough, of which this
    process has leased too little at this moment: it shares the budget with others.
    """

    def __init__(
        self,
        message: str = "",
        *,
        scope: str = "",
        retry_after_seconds: float | None = None,
        is_passing: bool = False,
    ) -> None:
        super().__init__(message)
        self.scope = scope
        self.retry_after_seconds = retry_after_seconds
        self.is_passing = is_passing


class ProviderError(CrossModelError):
    """A model did not answer. ``provider`` and ``model`` say which; keys never appear here.

    ``retryable`` tells whether the same call may succeed later.
    """

    retryable = False

    def __init__(self, message: str, *, provider: str = "", model: str = "") -> None:
        where = "/".join(part for part in (provider, model) if part)
        super().__init__(f"{where}: {message}" if where else message)
        self.provider = provider
        self.model = model


class ProviderConnectionError(ProviderError):
    """The provider could not be reached, or the connection broke before an answer was whole."""

    retryable = True


class ProviderTimeoutError(ProviderError, TimeoutError):
    """The provider did not answer within the time limit."""

    retryable = True


class ProviderAuthenticationError(ProviderError):
    """The provider refused the key, or none was given."""


class ProviderRateLimitError(ProviderError):
    """The provider asks to wait. ``retry_after_seconds`` is its own figure, if it gave one."""

    retryable = True

    def __init__(
        self,
        message: str,
        *,
        provider: str = "",
        model: str = "",
        retry_after_seconds: float | None = None,
    ) -> None:
        super().__init__(message, provider=provider, model=model)
        self.retry_after_seconds = retry_after_seconds


class ProviderResponseError(ProviderError):
    """The provider answered with an error or with something that is not an answer.

    ``status`` is the HTTP status, where there was one; 5xx may be retried.
    """

    def __init__(
        self, message: str, *, provider: str = "", model: str = "", status: int | None = None
    ) -> None:
        super().__init__(message, provider=provider, model=model)
        self.status = status
        self.retryable = status is not None and status >= SERVER_ERROR


class ExtractionError(CrossModelError):
    """A pattern, or the process that ran it, failed."""


class ExtractionTimeoutError(ExtractionError, TimeoutError):
    """A pattern or a process took longer than it may, and was cut off."""


class TransferError(CrossModelError):
    """Insights could not be handed to a model.

    ``retryable`` tells whether the same call may succeed later.
    """

    def __init__(self, message: str = "", *, retryable: bool = True) -> None:
        super().__init__(message)
        self.retryable = retryable


class DeploymentError(CrossModelError):
    """What was to run does not, and why; what ran before runs on."""


class StoreError(CrossModelError):
    """The store could not be opened, read or written."""


class StoreConflictError(StoreError):
    """What was to be kept contradicts what is kept, such as a second record of one id.

    The same again will not do better.
    """


class WitnessError(CrossModelError):
    """A statement, key, checkpoint or proof could not be made."""


class VerificationError(WitnessError):
    """Evidence was refused. ``step`` is the number of the verification step that refused it."""

    def __init__(self, message: str, *, step: int | None = None) -> None:
        super().__init__(f"step {step}: {message}" if step is not None else message)
        self.step = step
        self.reason = message
