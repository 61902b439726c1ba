"""The error tree is what its docstring draws."""

import inspect

from crossmodel import errors


def test_every_error_is_exported_and_derives_from_the_base():
    classes = {
        name: each
        for name, each in vars(errors).items()
        if inspect.isclass(each) and issubclass(each, Exception)
    }
    assert set(classes) == set(errors.__all__)
    assert all(issubclass(each, errors.CrossModelError) for each in classes.values())


def test_the_drawn_tree_is_the_real_one():
    drawn = {}
    path = []
    for line in (errors.__doc__ or "").splitlines():
        name = line.strip(" │├└─").split(" ")[0]
        if not name.endswith("Error") or name.startswith("``"):
            continue
        depth = (len(line) - len(line.lstrip(" │├└─")) - 4) // 4
        path[depth:] = [name]
        drawn[name] = path[depth - 1] if depth else "Exception"
    real = {
        name: next(
            b.__name__
            for b in getattr(errors, name).__mro__[1:]
            if b.__name__ in drawn or b is Exception
        )
        for name in errors.__all__
    }
    assert drawn == real


def test_built_in_bases_let_callers_catch_what_they_know():
    assert issubclass(errors.InvalidInputError, ValueError)
    assert issubclass(errors.ConfigurationError, ValueError)
    assert issubclass(errors.MissingExtraError, ImportError)
    assert issubclass(errors.NotFoundError, LookupError)
    assert issubclass(errors.ProviderTimeoutError, TimeoutError)


def test_errors_say_what_where_and_what_to_do():
    assert str(errors.ConfigurationError("must be a number", path="a.b")) == "a.b: must be a number"
    assert "pip install 'crossmodel[local]'" in str(errors.MissingExtraError("x", "local"))
    assert str(errors.ProviderError("no", provider="p", model="m")) == "p/m: no"
    assert errors.ProviderResponseError("x", status=503).retryable
    assert not errors.ProviderResponseError("x", status=404).retryable
    assert str(errors.VerificationError("bad root", step=7)) == "step 7: bad root"


def test_a_long_list_of_reasons_is_shortened_but_kept():
    error = errors.NoAvailableModelsError(reasons={f"m{i}": "too dear" for i in range(50)})
    assert "and 40 more" in str(error)
    assert len(error.reasons) == 50
