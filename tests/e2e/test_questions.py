"""Questions and indicators on a running stack: what the worker and the publisher work out agrees with what they publish."""
import json
import math
import statistics

from stack import wait_for


def at_rest(ask, when, tries=40):
    """The replay goes on while one reads: asks until all answers are of the same instant."""
    for _ in range(tries):
        answers = ask()
        if all(one.status == 200 for one in answers) and len({when(one.json()) for one in answers}) == 1:
            return [one.json() for one in answers]
    raise AssertionError(f'never of one instant: {answers}')


def test_probability_is_the_level_at_each_published_quantile(stack):
    for level in ('0.05', '0.5', '0.9'):
        def ask():
            forecast = stack.get('/v1/forecasts/30d')
            price = forecast.json()['quantiles'][level]
            return [forecast, stack.get(f'/v1/forecasts/30d/probability?below={price}')]
        forecast, answer = at_rest(ask, lambda body: body['issued_at'])
        assert math.isclose(answer['probability'], float(level), abs_tol=1e-4), answer
        assert answer['target_at'] == forecast['target_at']
        assert answer['method'] == forecast['method']


def test_value_at_risk_is_the_quantile(stack):
    forecast, answer = at_rest(
        lambda: [stack.get('/v1/forecasts/7d'), stack.get('/v1/forecasts/7d/risk?level=0.95&side=long')],
        lambda body: body['issued_at'])
    assert math.isclose(answer['price'], forecast['quantiles']['0.05'], abs_tol=0.011)
    assert math.isclose(answer['value_at_risk'], forecast['origin_price'] - answer['price'], abs_tol=0.02)
    assert answer['expected_shortfall'] > answer['value_at_risk'] > 0


def test_indicators_are_those_of_the_published_candles(stack):
    def ask():
        return [stack.get('/v1/indicators'), stack.get('/v1/candles/1h')]

    def instant(body):
        return body['candles'][-1]['close_time'] if 'candles' in body else body['intervals']['1h']['as_of']

    indicators, candles = at_rest(ask, instant)
    closes = [one['close'] for one in candles['candles']]
    hour = indicators['intervals']['1h']
    assert math.isclose(hour['close'], closes[-1], abs_tol=0.01)
    assert math.isclose(hour['sma_50'], statistics.fmean(closes[-50:]), abs_tol=0.02)
    assert math.isclose(hour['bollinger_upper'], statistics.fmean(closes[-20:]) + 2 * statistics.pstdev(closes[-20:]), abs_tol=0.02)
    highs, lows = ([one[side] for one in candles['candles'][-26:]] for side in ('high', 'low'))
    assert math.isclose(hour['ichimoku_kijun'], (max(highs) + min(lows)) / 2, abs_tol=0.02)
    returns = [math.log(b / a) for a, b in zip(closes[-25:], closes[-24:])]
    assert math.isclose(hour['volatility_24'], math.sqrt(statistics.fmean(one * one for one in returns) * 8760), abs_tol=2e-4)
    assert set(indicators['intervals']) == {'1h', '4h', '1d'}


def test_risk_says_what_the_questions_say(stack):
    risk, answer = at_rest(
        lambda: [stack.get('/v1/risk'), stack.get('/v1/forecasts/30d/risk?level=0.99&side=short')],
        lambda body: body['issued_at'])
    month = risk['term_structure'][-1]
    assert month['horizon'] == '30d'
    for figure in ('value_at_risk', 'expected_shortfall'):
        assert math.isclose(month['short']['0.99'][figure], answer[f'{figure}_share'], abs_tol=2e-6)
    assert risk['regime']['name'] in ('calm', 'normal', 'turbulent')
    assert all(value > 0 for value in risk['realised'].values())


def test_the_sandbox_answers_questions_and_shows_risk(stack):
    key = next(word for word in stack.text().split() if word.startswith('btcf_test_'))
    headers = {'X-API-Key': key}
    wait_for(lambda: stack.get('/v1/forecasts/1d', headers).status == 200, 'the sandbox', 60, 0.5)
    for path in ('/v1/forecasts/1d/probability?above=1', '/v1/forecasts/1d/risk', '/v1/risk', '/v1/indicators'):
        answer = stack.get(path, headers)
        assert answer.status == 200, (path, answer)
    assert json.loads(stack.get('/v1/risk', headers).body)['sandbox'] is True
