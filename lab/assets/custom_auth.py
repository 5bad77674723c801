"""Keys for a LiteLLM proxy without a database: the bearer carries its limits.

    sk-lab-<nonce>[-<field>...]      '-' or ',' between fields, each at most once

    rpm10 tpm1000 mpr2               the key: requests, tokens, requests in flight
    m_rpm5 m_tpm100                  the key, for each configured model
    team=T trpm5 ttpm100             its team
    tm_rpm5 tm_tpm100                its team, for each configured model
    tmrpm5 tmtpm100                  its user as a member of the team
    user=U urpm5 utpm100             its user
    eu=E erpm5 etpm100               its end user
    org=O orpm5 otpm100              its organisation

The nonce and the names are letters, digits, '_' and '.'. A limit of a scope
needs the scope's name. Whatever does not follow this is answered 401, and so is
a limit that this release has no field for: dropped in silence, it would look
like a limit that the release does not keep.
"""

import os
import re

from fastapi import HTTPException
from litellm.proxy import _types
from litellm.proxy._types import UserAPIKeyAuth

_BEARER = re.compile(r"sk-lab-[A-Za-z0-9_.]+(?:[-,][A-Za-z0-9_.=]+)*")
_NAME = re.compile(r"(team|user|eu|org)=([A-Za-z0-9_.]+)")
_LIMIT = re.compile(r"([a-z_]+?)([0-9]{1,18})")

# A field without a user or team has nothing to be counted on.
_NAMES = {"team": "team_id", "user": "user_id", "eu": "end_user_id", "org": "org_id"}
_LIMITS = {
    "rpm": ("rpm_limit", ()),
    "tpm": ("tpm_limit", ()),
    "mpr": ("max_parallel_requests", ()),
    "trpm": ("team_rpm_limit", ("team",)),
    "ttpm": ("team_tpm_limit", ("team",)),
    "tmrpm": ("team_member_rpm_limit", ("team", "user")),
    "tmtpm": ("team_member_tpm_limit", ("team", "user")),
    "urpm": ("user_rpm_limit", ("user",)),
    "utpm": ("user_tpm_limit", ("user",)),
    "erpm": ("end_user_rpm_limit", ("eu",)),
    "etpm": ("end_user_tpm_limit", ("eu",)),
    "orpm": ("organization_rpm_limit", ("org",)),
    "otpm": ("organization_tpm_limit", ("org",)),
}
_PER_MODEL = {
    "m_rpm": ("metadata", "model_rpm_limit", ()),
    "m_tpm": ("metadata", "model_tpm_limit", ()),
    "tm_rpm": ("team_metadata", "model_rpm_limit", ("team",)),
    "tm_tpm": ("team_metadata", "model_tpm_limit", ("team",)),
}

_MODELS = [m for m in os.environ.get("RATECHECK_LAB_MODELS", "").split(",") if m]
_INSTANCE = os.environ.get("RATECHECK_LAB_INSTANCE", "")

# Not in the grammar, so never a key: whoever started the proxy asks with it
# whether the proxy that answers is the one that it started.
_WHO = "lab-who"


def parse(bearer):
    """The UserAPIKeyAuth fields that a bearer stands for; ValueError says why it stands for none."""
    if not _BEARER.fullmatch(bearer):
        raise ValueError("unknown key")
    fields = {"api_key": bearer, "metadata": {}, "team_metadata": {}}
    named, needed, seen = set(), {}, set()
    for part in re.split("[-,]", bearer[len("sk-lab-"):])[1:]:
        name, limit = _NAME.fullmatch(part), _LIMIT.fullmatch(part)
        word = name.group(1) if name else limit.group(1) if limit else None
        if word in seen:
            raise ValueError("'%s' stands twice in the key" % word)
        seen.add(word)
        if name:
            fields[_NAMES[word]] = name.group(2)
            named.add(word)
        elif word in _LIMITS:
            field, needed[word] = _LIMITS[word]
            fields[field] = int(limit.group(2))
        elif word in _PER_MODEL:
            where, field, needed[word] = _PER_MODEL[word]
            fields[where][field] = {model: int(limit.group(2)) for model in _MODELS}
        else:
            raise ValueError("'%s' is no field of a lab key" % part)
    for word, scopes in needed.items():
        for scope in scopes:
            if scope not in named:
                raise ValueError("'%s' needs '%s=' beside it" % (word, scope))
    return fields


def _without_team_table():
    """Lets a key have a team where there is no database.

    From about 1.82 on the proxy looks the team of a custom-auth key up. Without a
    database that lookup raises a plain Exception, which fails the request; on an
    HTTPException it goes on with the team limits that the key itself carries.
    """
    from litellm.proxy.auth import user_api_key_auth as module

    async def get_team_object(*args, **kwargs):
        raise HTTPException(status_code=404, detail="lab: no team table")

    if hasattr(module, "get_team_object"):
        module.get_team_object = get_team_object


_without_team_table()


async def user_api_key_auth(request, api_key: str) -> UserAPIKeyAuth:
    bearer = (api_key or "").removeprefix("Bearer ")
    if bearer == _WHO:
        raise HTTPException(status_code=401, detail="lab instance %s" % _INSTANCE)
    try:
        fields = parse(bearer)
        for field in fields:
            if field not in UserAPIKeyAuth.model_fields:
                raise ValueError("this release has no field %s" % field)
    except ValueError as error:
        raise HTTPException(status_code=401, detail="lab: %s" % error) from None
    # Proxy administrators are exempt from limits in some releases.
    return UserAPIKeyAuth(user_role=_types.LitellmUserRoles.INTERNAL_USER, **fields)
