"""List prices of us-east-1, on demand: the only place that knows them."""

from math import inf
from typing import Final, NamedTuple

AS_OF: Final = "2026-09"
"""Those of API Gateway, Lambda, DynamoDB, Kinesis, CloudWatch and RDS were read on pages of this year, the others are
as remembered: look them up before you decide by them."""
MILLION: Final = 1e6


class Price(NamedTuple):
    """What one meter costs.

    Attributes:
        service: Whose row in the bill it is.
        unit: What is counted.
        tiers: Up to how many units a month, and dollars for each of these; the last has no end.
        free: Units of a month that nobody pays for, in any account and year.
    """

    service: str
    unit: str
    tiers: tuple[tuple[float, float], ...]
    free: float = 0.0

    def of(self, count: float) -> float:
        """Dollars for so many units in a month, without what is free."""
        dollars, below = 0.0, 0.0
        for limit, each in self.tiers:
            dollars += max(0.0, min(count, limit) - below) * each
            below = limit
        return dollars

    def saved(self, count: float) -> float:
        """Dollars that the free units take off."""
        return min(count, self.free) * self.each

    @property
    def each(self) -> float:
        """Dollars for one of the first units."""
        return self.tiers[0][1]


def flat(service: str, unit: str, dollars: float, per: float = 1.0, free: float = 0.0) -> Price:
    """A price without tiers."""
    return Price(service, unit, ((inf, dollars / per),), free)


HTTP_REQUEST: Final = Price("API Gateway", "HTTP request", ((300e6, 1.00 / MILLION), (inf, 0.90 / MILLION)))
REST_REQUEST: Final = Price("API Gateway", "REST request", ((333e6, 3.50 / MILLION), (inf, 2.80 / MILLION)))
MESSAGE: Final = Price("API Gateway", "WebSocket message of 32 KB", ((1e9, 1.00 / MILLION), (inf, 0.80 / MILLION)))
CONNECTION_MINUTE: Final = flat("API Gateway", "minute of connection", 0.25, MILLION)
INVOCATION: Final = flat("Lambda", "invocation", 0.20, MILLION, free=1e6)
GB_SECOND: Final = flat("Lambda", "GB-second, arm64", 0.0000133334, free=400_000)
WRITE: Final = flat("DynamoDB", "write unit", 0.625, MILLION)
READ: Final = flat("DynamoDB", "read unit", 0.125, MILLION)
STORED_GB: Final = flat("DynamoDB", "GB kept", 0.25, free=25)
BACKED_UP_GB: Final = flat("DynamoDB", "GB with point-in-time recovery", 0.20)
SHARD_HOUR: Final = flat("Kinesis", "shard-hour", 0.015)
PUT_UNIT: Final = flat("Kinesis", "put unit of 25 KB", 0.014, MILLION)
STREAM_HOUR: Final = flat("Kinesis", "hour of a stream on demand", 0.04)
STREAM_GB_IN: Final = flat("Kinesis", "GB in, on demand, records rounded up to 1 KB", 0.08)
STREAM_GB_OUT: Final = flat("Kinesis", "GB out, on demand", 0.04)
QUEUE_REQUEST: Final = flat("SQS", "request", 0.40, MILLION, free=1e6)
KEY: Final = flat("KMS", "key", 1.00)
SIGNATURE: Final = flat("KMS", "request to an ECC key", 0.15, 10_000)
KEY_REQUEST: Final = flat("KMS", "request to a symmetric key", 0.03, 10_000, free=20_000)
METRIC: Final = Price("CloudWatch", "custom metric", ((10_000, 0.30), (inf, 0.10)), 10)
ALARM: Final = flat("CloudWatch", "alarm", 0.10, free=10)
DASHBOARD: Final = flat("CloudWatch", "dashboard", 3.00, free=3)
LOGGED_GB: Final = flat("CloudWatch", "GB of logs taken in", 0.50, free=5)
TRACE: Final = flat("X-Ray", "trace recorded", 5.00, MILLION, free=100_000)
SCHEDULED: Final = flat("Scheduler", "call", 1.00, MILLION, free=14e6)
CDN_REQUEST: Final = flat("CloudFront", "HTTPS request", 1.00, MILLION, free=10e6)
CDN_FUNCTION: Final = flat("CloudFront", "call of a function", 0.10, MILLION, free=2e6)
CDN_GB: Final = Price("CloudFront", "GB out", ((10_240, 0.085), (51_200, 0.080), (153_600, 0.060), (inf, 0.040)), 1_024)
BUCKET_GB: Final = flat("S3", "GB kept", 0.023)
EGRESS_GB: Final = Price("Egress", "GB out", ((10_240, 0.09), (51_200, 0.085), (153_600, 0.07), (inf, 0.05)), 100)

CORE_HOUR: Final = flat("Fargate", "core-hour, arm64", 0.03238)
MEMORY_HOUR: Final = flat("Fargate", "GB-hour, arm64", 0.00356)
BALANCER_HOUR: Final = flat("Load balancer", "hour", 0.0225)
CAPACITY_UNIT_HOUR: Final = flat("Load balancer", "capacity unit: 3,000 connections, or 1 GB an hour", 0.008)
ADDRESS_HOUR: Final = flat("Public addresses", "hour of an IPv4 address", 0.005)
POSTGRES_SMALL: Final = flat("RDS PostgreSQL", "db.t4g.small", 0.032)
POSTGRES_MEDIUM: Final = flat("RDS PostgreSQL", "db.t4g.medium", 0.065)
POSTGRES_LARGE: Final = flat("RDS PostgreSQL", "db.m7g.large", 0.168)
POSTGRES_GB: Final = flat("RDS PostgreSQL", "GB of gp3", 0.115)
REDIS_MICRO: Final = flat("ElastiCache Redis", "cache.t4g.micro", 0.016)
REDIS_SMALL: Final = flat("ElastiCache Redis", "cache.t4g.small", 0.032)
REDIS_MEDIUM: Final = flat("ElastiCache Redis", "cache.t4g.medium", 0.065)
KAFKA_SMALL: Final = flat("MSK Kafka", "kafka.t3.small", 0.0456)
KAFKA_LARGE: Final = flat("MSK Kafka", "kafka.m7g.large", 0.204)
KAFKA_GB: Final = flat("MSK Kafka", "GB a broker keeps", 0.10)
MACHINE_MEDIUM: Final = flat("EC2", "t4g.medium", 0.0336)
MACHINE_LARGE: Final = flat("EC2", "m7g.large", 0.0816)
MACHINE_XLARGE: Final = flat("EC2", "m7g.xlarge", 0.1632)
DISK_GB: Final = flat("EC2", "GB of gp3", 0.08)
