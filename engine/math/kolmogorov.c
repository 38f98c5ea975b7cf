/* Exact distribution of the Kolmogorov-Smirnov statistic: Marsaglia, Tsang & Wang (2003), "Evaluating Kolmogorov's
 * distribution", Journal of Statistical Software 8(18). With n d = k - h, 0 <= h < 1, the probability is the middle
 * element of the n-th power of a (2k-1)-square matrix, times n!/n^n. Powers by squaring, with a decimal exponent kept
 * beside each matrix. In the far right tail their closed form good to seven digits replaces it.
 */
#include "math/kolmogorov.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SCALE 1e140 /* matrices whose middle exceeds this are divided by it */
#define SCALE_EXPONENT 140
#define SERIES_TERMS_MAX 100

struct matrix {
    double *cells; /* size x size, by row */
    size_t size;
    int exponent; /* the matrix stands for cells x 10^exponent */
};

static struct matrix matrix_make(struct arena *arena, size_t size)
{
    return (struct matrix){arena_array(arena, size * size, sizeof(double)), size, 0};
}

static void matrix_rescale(struct matrix *matrix)
{
    size_t middle = matrix->size / 2;

    if (matrix->cells[middle * matrix->size + middle] <= SCALE)
        return;
    for (size_t i = 0; i < matrix->size * matrix->size; i++)
        matrix->cells[i] /= SCALE;
    matrix->exponent += SCALE_EXPONENT;
}

/* result = a * b; result is another matrix than either. */
static void matrix_multiply(const struct matrix *a, const struct matrix *b, struct matrix *result)
{
    size_t size = a->size;

    memset(result->cells, 0, size * size * sizeof *result->cells);
    for (size_t i = 0; i < size; i++)
        for (size_t k = 0; k < size; k++) {
            double factor = a->cells[i * size + k];

            for (size_t j = 0; j < size; j++)
                result->cells[i * size + j] += factor * b->cells[k * size + j];
        }
    result->exponent = a->exponent + b->exponent;
    matrix_rescale(result);
}

static void matrix_swap(struct matrix *a, struct matrix *b)
{
    struct matrix keep = *a;

    *a = *b;
    *b = keep;
}

/* The paper's matrix H: ones on and below the first superdiagonal, its first column and last row lessened by powers of
 * h, each cell divided by (i - j + 1)!. */
static void fill_transition(struct matrix *matrix, double h)
{
    size_t size = matrix->size;
    double *cells = matrix->cells;

    for (size_t i = 0; i < size; i++)
        for (size_t j = 0; j < size && j <= i + 1; j++)
            cells[i * size + j] = 1.0;
    for (size_t i = 0; i < size; i++) {
        cells[i * size] -= pow(h, (double)(i + 1));
        cells[(size - 1) * size + i] -= pow(h, (double)(size - i));
    }
    if (2.0 * h - 1.0 > 0.0)
        cells[(size - 1) * size] += pow(2.0 * h - 1.0, (double)size);
    for (size_t i = 0; i < size; i++)
        for (size_t j = 0; j <= i; j++)
            for (size_t g = 1; g <= i - j + 1; g++)
                cells[i * size + j] /= (double)g;
}

/* P(D_n < d) by the matrix power. */
static double exact_below(struct arena *arena, size_t n, double d)
{
    double nd = (double)n * d;
    size_t k = (size_t)nd + 1, size = 2 * k - 1;
    struct matrix base = matrix_make(arena, size), power = matrix_make(arena, size), spare = matrix_make(arena, size);

    fill_transition(&base, (double)k - nd);
    for (size_t i = 0; i < size; i++)
        power.cells[i * size + i] = 1.0;
    for (size_t bits = n; bits > 0; bits >>= 1) {
        if (bits & 1) {
            matrix_multiply(&power, &base, &spare);
            matrix_swap(&power, &spare);
        }
        matrix_multiply(&base, &base, &spare);
        matrix_swap(&base, &spare);
    }
    double below = power.cells[(k - 1) * size + k - 1];
    int exponent = power.exponent;
    for (size_t i = 1; i <= n; i++) {
        below *= (double)i / (double)n;
        if (below < 1.0 / SCALE) {
            below *= SCALE;
            exponent -= SCALE_EXPONENT;
        }
    }
    return below * pow(10.0, exponent);
}

/* Limit law at z = d (sqrt n + 0.12 + 0.11 / sqrt n): Stephens (1970), J. Royal Statistical Society B 32, 115-122. */
static double limit_tail(size_t n, double d)
{
    double root = sqrt((double)n), z = d * (root + 0.12 + 0.11 / root), sum = 0.0;

    for (int k = 1; k <= SERIES_TERMS_MAX; k++)
        sum += (k % 2 != 0 ? 2.0 : -2.0) * exp(-2.0 * k * k * z * z);
    return fmin(fmax(sum, 0.0), 1.0);
}

double kolmogorov_tail(struct arena *arena, size_t n, double d)
{
    double count = (double)n, square = d * d * count;

    if (d >= 1.0)
        return 0.0;
    if (2.0 * count * d <= 1.0)
        return 1.0;
    if (square > 7.24 || (square > 3.76 && n > 99))
        return 2.0 * exp(-(2.000071 + 0.331 / sqrt(count) + 1.409 / count) * square);
    if (n > KOLMOGOROV_EXACT_MAX)
        return limit_tail(n, d);
    return fmin(fmax(1.0 - exact_below(arena, n, d), 0.0), 1.0);
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

double kolmogorov_uniform_p(struct arena *arena, double *values, size_t count)
{
    double d = 0.0;

    qsort(values, count, sizeof *values, compare_doubles);
    for (size_t i = 0; i < count; i++) {
        double above = (double)(i + 1) / (double)count - values[i], below = values[i] - (double)i / (double)count;

        d = fmax(d, fmax(above, below));
    }
    return kolmogorov_tail(arena, count, d);
}
