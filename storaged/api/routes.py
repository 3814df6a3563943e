"""Every endpoint with the right that it needs: the one place where a request's right is looked up."""

from dataclasses import dataclass

from aiohttp import web

from storaged.api import health, jobs, products, reports, runs, uploads
from storaged.api.problems import Handler
from storaged.auth.permissions import Right


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One method of one path."""

    method: str
    path: str
    handler: Handler
    right: Right


PRODUCT = "/api/v1/products/{product}"
JOB = "/api/v1/jobs/{token}"

ENDPOINTS = (
    Endpoint("GET", "/livez", health.livez, Right.ANYBODY),
    Endpoint("GET", "/readyz", health.readyz, Right.ANYBODY),
    Endpoint("GET", "/api/v1/products", products.list_products, Right.ANYBODY),
    Endpoint("GET", PRODUCT, products.get_product, Right.PRODUCT_VIEW),
    Endpoint("POST", f"{PRODUCT}/contents/missing", uploads.missing_contents, Right.PRODUCT_STORE),
    Endpoint("POST", f"{PRODUCT}/stores", uploads.create_store, Right.PRODUCT_STORE),
    Endpoint("GET", f"{PRODUCT}/runs", runs.list_runs, Right.PRODUCT_VIEW),
    Endpoint("GET", f"{PRODUCT}/runs/{{run}}", runs.get_run, Right.PRODUCT_VIEW),
    Endpoint("GET", f"{PRODUCT}/runs/{{run}}/history", runs.list_history, Right.PRODUCT_VIEW),
    Endpoint("GET", f"{PRODUCT}/reports", reports.list_reports, Right.PRODUCT_VIEW),
    Endpoint("GET", f"{PRODUCT}/reports/{{report}}", reports.get_report, Right.PRODUCT_VIEW),
    Endpoint("GET", "/api/v1/jobs", jobs.list_jobs, Right.PRODUCT_VIEW),
    Endpoint("GET", JOB, jobs.get_job, Right.JOB_OWNER),
    Endpoint("POST", f"{JOB}/cancel", jobs.cancel_job, Right.JOB_OWNER),
    Endpoint("POST", f"{JOB}/retry", jobs.retry_job, Right.JOB_OWNER),
)


def add_routes(app: web.Application) -> None:
    """Register every endpoint."""
    for endpoint in ENDPOINTS:
        app.router.add_route(endpoint.method, endpoint.path, endpoint.handler)
        if endpoint.method == "GET":
            app.router.add_route("HEAD", endpoint.path, endpoint.handler)
